package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.Term;
import java.util.EnumSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The command line's words for what messages name. */
class RunOptionTest {
  @Test
  void everyTermThatCanBeSetIsTheOptionOfItsName() {
    Set<Term> commands = EnumSet.of(Term.TRAINING, Term.PREDICTION);
    for (Term term : EnumSet.complementOf(EnumSet.copyOf(commands))) {
      String option = "--" + RunOption.valueOf(term.name()).option();
      assertEquals(option + " is 5", RunOption.worded(term + " is 5"));
      assertEquals("give " + option + " 5", RunOption.worded("give " + term.of(5)));
    }
    assertEquals("attune train", RunOption.worded(Term.TRAINING.toString()));
    assertEquals("attune train --model out", RunOption.worded(Term.TRAINING.of("out")));
    assertEquals("attune predict", RunOption.worded(Term.PREDICTION.toString()));
  }

  @Test
  void everyOptionNamesItselfInMessages() {
    for (RunOption option : RunOption.values()) {
      assertEquals("--" + option.option() + ": x", RunOption.worded(option + ": x"));
    }
  }

  @Test
  void whatAUserWroteStaysAsItIs() {
    assertEquals("‹no such thing› ‹--x›", RunOption.worded("‹no such thing› ‹--x›"));
  }
}
