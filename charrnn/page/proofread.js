export const proofreadPart = {
  id: "proofread",
  title: "Proofread",
  suits: (model) => model.task === "restore",
  mount() {
    return { show() {}, hide() {} };
  },
};
