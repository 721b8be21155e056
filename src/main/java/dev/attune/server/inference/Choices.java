package dev.attune.server.inference;

import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.GenerationTicket;
import dev.attune.generate.Prompt;
import dev.attune.generate.ScoredToken;
import dev.attune.run.GenerationService;
import dev.attune.run.GenerationService.Voice;
import dev.attune.run.TextListener;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Exchange;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import org.eclipse.jetty.io.EofException;

/** The texts of one request on their way. What is not done when it is closed is cancelled. */
final class Choices implements AutoCloseable {
  /** How often it is looked whether anybody waits. */
  private static final long LOOK_MILLIS = 200;

  /**
   * Something has come.
   *
   * @param choice which text: those of the first prompt first
   * @param piece of the text; null: none
   * @param tokens of the piece, where their log-probabilities were asked for
   * @param text when it is done, else null
   */
  record Event(int choice, String piece, List<ScoredToken> tokens, GeneratedText text) {}

  private record Failed(RuntimeException reason) {}

  private final Exchange exchange;
  private final LinkedBlockingQueue<Object> events = new LinkedBlockingQueue<>();
  private final List<GenerationTicket> tickets = new ArrayList<>();
  private final int count;
  private int done;
  private long lookedNanos = System.nanoTime();

  private Choices(Exchange exchange, int count) {
    this.exchange = exchange;
    this.count = count;
  }

  /**
   * Begins the texts.
   *
   * @param metrics tells of a text with a prompt of so many tokens
   * @param options of each prompt
   * @param each texts of a prompt
   * @throws ApiException if too many wait, or would ever with these; or if they ask for what the
   *     backend cannot do
   */
  static Choices begin(
      Exchange exchange,
      Voice voice,
      IntFunction<TextMetrics.Text> metrics,
      List<Prompt> prompts,
      List<GenerationOptions> options,
      int each) {
    long wanted = (long) prompts.size() * each;
    int most = voice.service().mostTexts();
    if (wanted > most) {
      throw ApiException.badRequest(
          each > 1 ? "n" : "prompt",
          "The request asks for "
              + wanted
              + " texts; this server takes at most "
              + most
              + " at a time, those that wait included");
    }
    if (!voice.service().takesProposals()
        && options.stream().anyMatch(asked -> asked.lookupTokens() > 0)) {
      throw ApiException.badRequest(
          "prompt_lookup_num_tokens",
          "'prompt_lookup_num_tokens' is not for the backend of this server, on which a text might"
              + " change by it; leave it out");
    }
    Choices choices = new Choices(exchange, (int) wanted);
    try {
      for (int i = 0; i < choices.count; i++) {
        Prompt prompt = prompts.get(i / each);
        TextListener listener = choices.listener(i, metrics.apply(prompt.ids().length));
        choices.tickets.add(
            voice.service().submit(voice, prompt, options.get(i / each), i, listener));
      }
      return choices;
    } catch (GenerationService.FullException e) {
      choices.close();
      throw ApiException.busy("The model has enough to do: " + e.getMessage(), 1);
    } catch (RuntimeException e) {
      choices.close();
      throw e;
    }
  }

  private TextListener listener(int choice, TextMetrics.Text metrics) {
    return new TextListener() {
      private List<ScoredToken> tokens = new ArrayList<>();

      @Override
      public void onToken(ScoredToken token) {
        tokens.add(token);
      }

      @Override
      public void onPiece(String piece) {
        metrics.piece();
        events.add(new Event(choice, piece, tokens, null));
        tokens = new ArrayList<>();
      }

      @Override
      public void onText(GeneratedText text) {
        metrics.done(text.tokens());
        events.add(new Event(choice, null, tokens, text));
      }

      @Override
      public void onFailure(RuntimeException e) {
        events.add(new Failed(e));
      }
    };
  }

  /**
   * What comes next; null when all texts are done.
   *
   * @throws EofException if nobody waits any more
   * @throws ApiException if who waits may not have them any more
   */
  Event next() throws InterruptedException, EofException {
    while (done < count) {
      look();
      Object next = events.poll(LOOK_MILLIS, TimeUnit.MILLISECONDS);
      if (next instanceof Event event) {
        done += event.text == null ? 0 : 1;
        return event;
      }
      if (next instanceof Failed failed) {
        throw failed.reason;
      }
    }
    return null;
  }

  /** Also while there is always something to send: an answer in one piece sends none of it yet. */
  private void look() throws EofException {
    exchange.checkCaller();
    long now = System.nanoTime();
    if (now - lookedNanos >= TimeUnit.MILLISECONDS.toNanos(LOOK_MILLIS)) {
      lookedNanos = now;
      if (exchange.clientIsGone()) {
        throw new EofException("the client has gone");
      }
    }
  }

  /** All texts, in their order. */
  List<GeneratedText> all() throws InterruptedException, EofException {
    GeneratedText[] texts = new GeneratedText[count];
    for (Event event = next(); event != null; event = next()) {
      if (event.text != null) {
        texts[event.choice] = event.text;
      }
    }
    return List.of(texts);
  }

  @Override
  public void close() {
    tickets.forEach(GenerationTicket::cancel);
  }
}
