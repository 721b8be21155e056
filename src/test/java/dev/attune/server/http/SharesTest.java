package dev.attune.server.http;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Nobody has all. */
class SharesTest {
  @Test
  void aTenantHasAQuarterAndAllTogetherNoMoreThanThereAre() {
    Shares shares = new Shares(8);
    for (String tenant : new String[] {"a", "b", "c", "d"}) {
      assertTrue(shares.tryAcquire(tenant));
      assertTrue(shares.tryAcquire(tenant));
      assertFalse(shares.tryAcquire(tenant), "a third of " + tenant);
    }
    assertFalse(shares.tryAcquire("e"), "one more than there are");
    shares.release("b");
    assertFalse(shares.tryAcquire("a"));
    assertTrue(shares.tryAcquire("e"));
  }

  @Test
  void whoWaitsGetsWhatIsGivenBack() throws InterruptedException {
    Shares shares = new Shares(2);
    assertEquals(1, shares.mostOfTenant());
    assertTrue(shares.tryAcquire("a"));
    assertFalse(shares.tryAcquire("a", 20));
    Thread giver = new Thread(() -> shares.release("a"));
    giver.start();
    assertTrue(shares.tryAcquire("a", 60_000));
    giver.join();
  }
}
