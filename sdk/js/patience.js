/** Whether a call that failed is sent again, and when. */

import { BusyError, InvalidAnswerError, UnreachableError } from "./errors.js";

const FIRST_MS = 250;
const LONGEST_MS = 4000;
const CHANCE = 0.25; // so that many clients of one gateway don't come again all at once
const OF_A_PROXY = [502, 503, 504];

/**
 * The pauses of one call, which may add up to `totalMs`. The gateway says how long to wait where it
 * is busy, or still at the run that this very call began; where it is silent, the pauses double.
 */
export class Patience {
  #leftMs;
  #nextMs = FIRST_MS;

  constructor(totalMs) {
    this.#leftMs = totalMs;
  }

  /** How long to wait before the call is sent again [ms]; null where it shouldn't be. */
  after(error) {
    const wanted = this.#wanted(error) * (1 + CHANCE * Math.random());
    if (!(wanted <= this.#leftMs)) return null;
    this.#leftMs -= wanted;
    return wanted;
  }

  #wanted(error) {
    if (error instanceof BusyError || error.code === "run_in_progress")
      return 1000 * (error.details.retry_after_s ?? 1);
    if (!isSilence(error)) return NaN;
    const now = this.#nextMs;
    this.#nextMs = Math.min(2 * now, LONGEST_MS);
    return now;
  }
}

export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function isSilence(error) {
  const ofAProxy = error instanceof InvalidAnswerError && OF_A_PROXY.includes(error.status);
  return error instanceof UnreachableError || ofAProxy;
}
