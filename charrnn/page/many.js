export const manyPart = {
  id: "many",
  title: "Many",
  suits: (model) => model.task === "generate",
  mount() {
    return { show() {}, hide() {} };
  },
};
