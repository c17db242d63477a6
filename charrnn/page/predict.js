export const predictPart = {
  id: "predict",
  title: "Predict",
  suits: (model) => model.task === "classify" || model.task === "regress",
  mount() {
    return { show() {}, hide() {} };
  },
};
