export const fillPart = {
  id: "fill",
  title: "Fill",
  suits: (model) => model.task === "restore",
  mount() {
    return { show() {}, hide() {} };
  },
};
