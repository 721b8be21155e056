package dev.attune.generate;

import java.util.Arrays;

/**
 * Guesses how one text goes on, from what stands in it already: where its last tokens have occurred
 * before, what came then may come again (Saxena, Prompt Lookup Decoding, 2023). Of the places that
 * agree with the end of the text for longest it takes the last one, and follows it while it is
 * right.
 *
 * <p>It learns from every token how far to trust it, whether or not the guess was used.
 */
final class PromptLookup {
  /** Tokens that must agree, by which places are known: one alone recurs everywhere. */
  private static final int LEAST = 2;

  /** As many as are compared. */
  private static final int MOST = 8;

  /** Weight of the last guess in the shares of right ones. */
  private static final double NEWEST = 0.125;

  private int[] ids; // the prompt, and what was generated
  private int count;
  private final PairPlaces places;
  private int guess = -1; // where the token lies that is thought to come next; -1: no idea
  private boolean follows; // the guess before it was right

  // Shares of right guesses: of places just found, and of those that were right once.
  private double found = 0.5;
  private double followed = 0.5;

  PromptLookup(int[] prompt) {
    this.ids = Arrays.copyOf(prompt, prompt.length + 64);
    this.count = prompt.length;
    this.places = new PairPlaces(count);
    for (int place = LEAST; place <= count; place++) {
      places.add(ids, place);
    }
    find();
  }

  /** The token that has come. */
  void add(int token) {
    boolean isRight = guess >= 0 && ids[guess] == token;
    if (guess >= 0) {
      double news = isRight ? 1 : 0;
      if (follows) {
        followed += NEWEST * (news - followed);
      } else {
        found += NEWEST * (news - found);
      }
    }
    if (count == ids.length) {
      ids = Arrays.copyOf(ids, count + count / 2);
    }
    ids[count++] = token;
    places.add(ids, count);
    follows = isRight;
    if (isRight) {
      guess++;
    } else {
      find();
    }
  }

  /** How probable it is that the next {@code tokens} all come as they are guessed. */
  double trust(int tokens) {
    return guess < 0 ? 0 : (follows ? followed : found) * Math.pow(followed, tokens - 1);
  }

  /** Puts the next tokens as they are guessed, a text that goes round in circles round again. */
  void guess(int[] into, int first, int tokens) {
    for (int i = 0; i < tokens; i++) {
      into[first + i] = guess + i < count ? ids[guess + i] : into[first + guess + i - count];
    }
  }

  private void find() {
    guess = -1;
    int longest = LEAST - 1;
    for (int end = places.before(count); end > 0 && longest < MOST; end = places.before(end)) {
      int agree = LEAST;
      while (agree < MOST && agree < end && ids[end - 1 - agree] == ids[count - 1 - agree]) {
        agree++;
      }
      if (agree > longest) {
        longest = agree;
        guess = end;
      }
    }
  }
}
