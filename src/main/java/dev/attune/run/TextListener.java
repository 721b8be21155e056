package dev.attune.run;

import dev.attune.generate.GeneratedText;
import dev.attune.generate.ScoredToken;

/** Hears of a text of a {@link GenerationService}, on the computing thread. */
public interface TextListener {
  /** A token has come whose log-probability was asked for; its piece follows. */
  default void onToken(ScoredToken token) {}

  /** A piece of the text has come. */
  void onPiece(String piece);

  /** The text is done, or was cancelled. */
  void onText(GeneratedText text);

  /** Nothing more comes. */
  void onFailure(RuntimeException e);
}
