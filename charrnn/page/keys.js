// The keys of Write, besides those of every text area.

/** Does what a key asks for; returns whether it did anything, so that the browser must not. */
export function handleKey(part, event) {
  const action = actionOf(part, event);
  return action !== undefined && action() !== false;
}

function actionOf(part, event) {
  const command = event.ctrlKey || event.metaKey;
  const key = event.key.toLowerCase();
  if (event.altKey) {
    return command ? undefined : {
      arrowdown: () => part.choices.update({ asked: true, focus: true }),
      arrowup: () => part.likeliest.open(part.editor.caret, { focus: true }),
    }[key];
  }
  if (command) {
    return {
      enter: () => part.continueText(),
      z: () => part.undo(event.shiftKey),
      y: event.ctrlKey ? () => part.undo(true) : undefined,
    }[key];
  }
  // Shift+Tab always leaves the text.
  return event.shiftKey ? undefined : {
    tab: () => part.takeGhost(),
    escape: () => part.escape(),
  }[key];
}
