package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class CountTest {
  @Test
  void oneIsNotMany() {
    assertEquals("1 row", Count.many(1, "row"));
    assertEquals("0 rows", Count.many(0, "row"));
    assertEquals("2,000 rows", Count.many(2000, "row"));
    assertEquals("1 class has", Count.many(1, "class has", "classes have"));
    assertEquals("12 classes have", Count.many(12, "class has", "classes have"));
  }
}
