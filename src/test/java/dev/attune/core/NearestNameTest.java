package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NearestNameTest {
  private static final List<String> KNOWN = List.of("train", "predict", "evaluate", "runs");

  @ParameterizedTest
  @CsvSource({
    "trian, train",
    "predcit, predict",
    "eval, evaluate",
    "run, runs",
    "evalute, evaluate"
  })
  void whatWasProbablyMeantIsFound(String typed, String meant) {
    assertEquals(Optional.of(meant), NearestName.of(typed, KNOWN));
  }

  @Test
  void anotherWordIsNoSlip() {
    assertEquals(Optional.empty(), NearestName.of("deploy", KNOWN));
    assertEquals(Optional.empty(), NearestName.of("trained-model", KNOWN));
  }
}
