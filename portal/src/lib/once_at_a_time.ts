/** One question, asked again whenever there is something new.
 *
 * It is under way once at a time. What comes meanwhile is asked after by one more, so that however fast something
 * new comes and however slow the answers are, each answer is shown, and the last stands on all that came. */
export function onceAtATime<T>(how: () => Promise<T>, show: (answer: Promise<T>) => void): () => void {
  let isUnderWay = false;
  let isWantedAgain = false;

  function ended(): void {
    isUnderWay = false;
    if (isWantedAgain) ask();
  }

  function ask(): void {
    isWantedAgain = isUnderWay;
    if (isUnderWay) return;
    isUnderWay = true;
    const answer = how();
    show(answer);
    answer.then(ended, ended);
  }

  return ask;
}
