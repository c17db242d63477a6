// The keys of Write, besides those of every text area.

/** Does what a key asks for; returns whether it did anything, so that the browser must not. */
export function handleKey(part, event) {
  const command = event.ctrlKey || event.metaKey;
  const plain = !command && !event.altKey && !event.shiftKey;
  const key = event.key.toLowerCase();
  if (plain && key === "tab") return part.takeGhost();
  if (plain && key === "escape") return part.escape();
  if (command && key === "enter") return done(part.continueText());
  if (command && !event.altKey && key === "z") return done(part.undo(event.shiftKey));
  if (event.ctrlKey && !event.altKey && key === "y") return done(part.undo(true));
  if (event.altKey && key === "arrowdown") {
    return done(part.choices.update({ asked: true, focus: true }));
  }
  if (event.altKey && key === "arrowup") {
    return done(part.likeliest.open(part.editor.caret, { focus: true }));
  }
  return false;
}

function done() {
  return true;
}
