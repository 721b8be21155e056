package dev.attune.run;

import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationTicket;
import dev.attune.generate.ScoredToken;
import java.lang.System.Logger.Level;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/** Texts that were taken and are not done. Any number of threads use it. */
final class SubmittedTexts {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  private final Set<Submission> unfinished = ConcurrentHashMap.newKeySet();
  private final AtomicInteger taken = new AtomicInteger();

  /** A text on its way. */
  final class Submission implements GenerationTicket, TextListener {
    private final TextListener listener;
    private volatile GenerationTicket ticket; // null: not begun
    private volatile boolean isCancelled;

    private Submission(TextListener listener) {
      this.listener = listener;
    }

    @Override
    public void cancel() {
      isCancelled = true;
      GenerationTicket begun = ticket;
      if (begun != null) {
        begun.cancel();
      }
    }

    /** Begins it, unless nobody wants it any more. */
    void begin(Supplier<GenerationTicket> start) {
      try {
        ticket = start.get();
        if (isCancelled) {
          ticket.cancel();
        }
      } catch (RuntimeException e) {
        onFailure(e);
      } catch (Error e) {
        onFailure(asException(e));
        throw e;
      }
    }

    /** What a listener throws is its own affair: others go on. */
    private void tell(Runnable word) {
      try {
        word.run();
      } catch (RuntimeException | Error e) {
        LOG.log(Level.WARNING, "a listener of a text failed", e);
        cancel();
      }
    }

    @Override
    public void onToken(ScoredToken token) {
      tell(() -> listener.onToken(token));
    }

    @Override
    public void onPiece(String piece) {
      tell(() -> listener.onPiece(piece));
    }

    @Override
    public void onText(GeneratedText text) {
      if (unfinished.remove(this)) {
        taken.decrementAndGet();
        tell(() -> listener.onText(text));
      }
    }

    @Override
    public void onFailure(RuntimeException e) {
      if (unfinished.remove(this)) {
        taken.decrementAndGet();
        tell(() -> listener.onFailure(e));
      }
    }
  }

  /**
   * Takes a text.
   *
   * @param most that there may be
   * @return null: there are as many
   */
  Submission take(int most, TextListener listener) {
    if (taken.incrementAndGet() > most) {
      taken.decrementAndGet();
      return null;
    }
    Submission submission = new Submission(listener);
    unfinished.add(submission);
    return submission;
  }

  /** How many there are. */
  int count() {
    return taken.get();
  }

  /** Ends those that were begun. */
  void failBegun(RuntimeException reason) {
    unfinished.stream()
        .filter(submission -> submission.ticket != null)
        .forEach(submission -> submission.onFailure(reason));
  }

  /** Ends all. */
  void failAll(RuntimeException reason) {
    unfinished.forEach(submission -> submission.onFailure(reason));
  }

  /** Says of all that nobody wants them any more. */
  void cancelAll() {
    unfinished.forEach(Submission::cancel);
  }

  static RuntimeException asException(Throwable e) {
    return e instanceof RuntimeException known ? known : new IllegalStateException(e);
  }
}
