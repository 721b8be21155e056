package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.TerminalText;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.Prompt;
import dev.attune.generate.ScoredToken;
import dev.attune.run.CommandOptions;
import dev.attune.run.Fetched;
import dev.attune.run.GenerateRun;
import dev.attune.run.OutputFile;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.storage.AtomicFile;
import dev.attune.text.ChatMessage;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/** {@code attune generate}. */
final class GenerateCommand implements Command {
  @Override
  public String name() {
    return "generate";
  }

  @Override
  public String summary() {
    return "continue texts with a language model";
  }

  @Override
  public String details() {
    return """
        Without --temperature, --top-k, --top-p or --min-p every token is the most probable one.
        A prompt that fills the model's context is refused, never cut.

        examples:
          attune generate --model out --prompt "Once upon a time"
          attune generate --model out --prompts prompts.jsonl --output texts.jsonl --streams 16
          attune generate --model out --interactive --temperature 0.7 --top-p 0.9
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.GENERATE;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case OUTPUT -> "where the texts go, a JSON object a line; else they are printed";
      case SEED -> "of sampling (default 42)";
      case MAX_LENGTH -> "tokens of a text, prompt included; as the model has it where not given";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    RunConfig given = arguments.config();
    long ways =
        List.of(RunOption.PROMPT, RunOption.PROMPTS, RunOption.INTERACTIVE).stream()
            .filter(given::isGiven)
            .count();
    if (ways != 1) {
      throw new InputException(
          "give one of "
              + RunOption.PROMPT
              + ", "
              + RunOption.PROMPTS
              + " and "
              + RunOption.INTERACTIVE);
    }
    GenerateRun.check(given);
    Path output = given.isGiven(RunOption.OUTPUT) ? OutputFile.of(given, RunOption.PROMPTS) : null;
    RunConfig config = Fetched.all(given, new FetchView(console));
    Consumer<String> notes =
        console.isQuiet()
            ? note -> {}
            : note -> System.err.println("· " + TerminalText.visible(RunOption.worded(note)));
    try (GenerateRun run = GenerateRun.open(config, notes)) {
      if (config.isGiven(RunOption.PROMPT)) {
        one(run, config, console, result);
      } else if (config.isGiven(RunOption.PROMPTS)) {
        many(run, config, output, console, result);
      } else {
        converse(run, config, console);
      }
    }
    return ExitStatus.DONE;
  }

  private static void one(GenerateRun run, RunConfig config, Console console, ObjectNode result) {
    PrintStream out = console.out();
    long begin = System.nanoTime();
    GeneratedText text =
        run.generate(
            run.prompt(config.text(RunOption.PROMPT)),
            piece -> {
              out.print(console.answer(piece));
              out.flush();
            });
    double seconds = (System.nanoTime() - begin) * 1e-9;
    out.println();
    for (ScoredToken token : text.logprobs()) {
      console.line("%9.4f  '%s'", token.logprob(), TerminalText.oneLine(token.text()));
    }
    put(result, text);
    result.put("tokens_per_second", text.tokens() / seconds);
  }

  private static void many(
      GenerateRun run, RunConfig config, Path output, Console console, ObjectNode result) {
    List<Prompt> prompts = run.prompts(Path.of(config.text(RunOption.PROMPTS)));
    GeneratedText[] texts = new GeneratedText[prompts.size()];
    long begin = System.nanoTime();
    int[] done = {0};
    run.generate(
        prompts,
        text -> {
          texts[text.index()] = text;
          console.progress(++done[0] / (double) texts.length, done[0] + " of " + texts.length);
        });
    double seconds = (System.nanoTime() - begin) * 1e-9;
    long tokens = 0;
    StringBuilder lines = new StringBuilder();
    for (GeneratedText text : texts) {
      lines.append(put(JsonNodeFactory.instance.objectNode(), text)).append('\n');
      tokens += text.tokens();
    }
    if (output != null) {
      write(output, lines);
      console.line("%s in %s", Count.many(texts.length, "text"), config.text(RunOption.OUTPUT));
    } else {
      console.out().print(lines);
    }
    result.put("texts", texts.length);
    result.put("tokens", tokens);
    result.put("tokens_per_second", tokens / seconds);
  }

  private static ObjectNode put(ObjectNode json, GeneratedText text) {
    json.put("prompt", text.prompt().text());
    json.put("text", text.text());
    json.put("tokens", text.tokens());
    json.put("finish", text.finish().name().toLowerCase(Locale.ROOT));
    if (!text.logprobs().isEmpty()) {
      ArrayNode tokens = json.putArray("logprobs");
      text.logprobs().forEach(token -> put(tokens.addObject(), token));
    }
    return json;
  }

  /** The fields have the names that they have in OpenAI's answers. */
  private static void put(ObjectNode json, ScoredToken token) {
    json.put("token", token.text());
    json.put("id", token.id());
    json.put("logprob", token.logprob());
    ArrayNode top = json.putArray("top_logprobs");
    for (ScoredToken.Alternative one : token.top()) {
      top.addObject().put("token", one.text()).put("id", one.id()).put("logprob", one.logprob());
    }
  }

  private static void write(Path file, CharSequence lines) {
    try {
      AtomicFile.write(file, lines);
    } catch (IOException e) {
      throw new InputException(
          RunOption.OUTPUT + " " + file + " cannot be written: " + OutputFile.problem(e), e);
    }
  }

  /** A conversation: lines of the user's, until the end of the input. */
  private static void converse(GenerateRun run, RunConfig config, Console console) {
    PrintStream out = console.out();
    List<ChatMessage> messages = new ArrayList<>();
    if (config.isGiven(RunOption.SYSTEM)) {
      messages.add(ChatMessage.of("system", config.text(RunOption.SYSTEM)));
    }
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try {
      for (; ; ) {
        out.print("> ");
        out.flush();
        String line = in.readLine();
        if (line == null) {
          out.println();
          return;
        }
        if (line.isBlank()) {
          continue;
        }
        messages.add(ChatMessage.of("user", line));
        GeneratedText answer =
            run.generate(
                run.chatPrompt(messages),
                piece -> {
                  out.print(console.answer(piece));
                  out.flush();
                });
        out.println();
        messages.add(ChatMessage.of("assistant", answer.text()));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("the input cannot be read: " + e.getMessage(), e);
    }
  }
}
