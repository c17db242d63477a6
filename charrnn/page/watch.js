export const watchPart = {
  id: "watch",
  title: "Watch",
  suits: () => true,
  needs: ["runs"],
  mount() {
    return { show() {}, hide() {} };
  },
};
