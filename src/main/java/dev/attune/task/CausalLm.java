package dev.attune.task;

import static dev.attune.core.Count.many;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.core.Check;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.data.LengthFindings;
import dev.attune.data.SplitSummary;
import dev.attune.data.TokenLengths;
import dev.attune.data.TokenLengths.Texts;
import dev.attune.model.HeadKind;
import dev.attune.text.TextTokenizer;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiConsumer;

/**
 * The next token of every row: {@code LlamaForCausalLM}.
 *
 * <ul>
 *   <li>A {@code text} is learned whole. It is cut into sequences of the maximum length one after
 *       the other, so nothing of it is lost; unlike Transformers' {@code run_clm.py}, which also
 *       strings different texts together and drops what remains at the end.
 *   <li>Of {@code prompt, completion} the completion is learned. The two are joined as they are.
 *   <li>Of {@code messages} the assistant's turns are learned.
 * </ul>
 *
 * The tokenizer's end of sequence is appended where the text does not end in it, as TRL's
 * SFTTrainer does. Prompts with their completions and conversations are cut at the maximum length;
 * rows that then have nothing to learn are left out, and counted.
 */
public final class CausalLm implements VocabularyTask {
  /** Makes such tasks. */
  public static final TaskType TYPE = new Type();

  private final boolean trainOnPrompt;
  private final int stride;

  /**
   * @param trainOnPrompt learn prompts and all turns too
   */
  public CausalLm(boolean trainOnPrompt) {
    this(trainOnPrompt, 0);
  }

  /**
   * @param trainOnPrompt learn prompts and all turns too
   * @param stride of evaluations: the sequences of a long text begin so many tokens apart and
   *     overlap, so that every token but a text's first is predicted, once, with at least {@code
   *     maxLength - stride} tokens before it (where there are as many); 0: end to end
   */
  public CausalLm(boolean trainOnPrompt, int stride) {
    this.trainOnPrompt = trainOnPrompt;
    this.stride = stride;
  }

  @Override
  public TaskType type() {
    return TYPE;
  }

  @Override
  public HeadKind head() {
    return HeadKind.LANGUAGE_MODEL;
  }

  @Override
  public RowEncoder<?> encoder(TextTokenizer tokenizer, int maxLength, Purpose purpose) {
    boolean overlap = purpose == Purpose.EVALUATION && stride != 0;
    Check.input(
        !overlap || (stride >= 1 && stride <= maxLength),
        "%s is %d; it must be between 1 and the maximum length, %d",
        Term.STRIDE,
        stride,
        maxLength);
    int apart = overlap ? stride : maxLength;
    return new NextTokens(tokenizer, maxLength, apart, trainOnPrompt);
  }

  @Override
  public Reading reading(
      Dataset dataset, EncodedDataset data, BiConsumer<Example, Prediction> sink) {
    throw new UnsupportedOperationException("a language model generates texts");
  }

  @Override
  public void describe(ObjectNode outputs, ObjectNode settings) {
    settings.put("train_on_prompt", trainOnPrompt);
  }

  @Override
  public boolean isEmpty(Example example) {
    return (example.text() != null || example.tokens() != null) && example.hasNoText();
  }

  @Override
  public String described() {
    return name();
  }

  @Override
  public void examine(Findings found, Map<String, Integer> classCounts) {
    found.examples(
        Severity.FATAL,
        "ambiguous_text",
        example -> example.sources() > 1,
        n ->
            many(n, "row has", "rows have")
                + " more than one of text, prompt and messages: keep the one to learn from"
                + (found.data().reading().oneSource().isEmpty()
                    ? ""
                    : ", or name it: " + found.data().reading().oneSource()));
    found.examples(
        Severity.FATAL,
        "two_texts",
        example -> example.text() != null && example.textPair() != null,
        n ->
            many(n, "row has", "rows have")
                + " two texts, of which the first alone would be learned. Say what is: "
                + found.data().reading().oneOfTwo());
    found.examples(
        Severity.FATAL,
        "empty_text",
        example -> example.sources() == 0 || (example.text() != null && isEmpty(example)),
        n -> many(n, "row has", "rows have") + " no text, prompt or messages");
    found.examples(
        Severity.FATAL,
        "missing_completion",
        example ->
            example.prompt() != null
                && (example.completion() == null || example.completion().isBlank()),
        n -> many(n, "row has a prompt", "rows have prompts") + " without completion");
    found.examples(
        Severity.FATAL,
        "no_answer",
        example ->
            example.messages() != null
                && !example.messages().get(example.messages().size() - 1).isAssistant(),
        n ->
            many(n, "conversation does", "conversations do")
                + " not end on the assistant's turn: there is no answer to learn");
    found.examples(
        Severity.WARNING,
        "empty_answer",
        example ->
            example.messages() != null
                && example.messages().get(example.messages().size() - 1).isAssistant()
                && example.messages().get(example.messages().size() - 1).saysNothing(),
        n ->
            many(n, "conversation ends", "conversations end")
                + " on a turn of the assistant that says nothing: to be silent is what is learned"
                + " there");
    found.examples(
        Severity.WARNING,
        "no_gap",
        CausalLm::runsTogether,
        n ->
            many(n, "completion continues", "completions continue")
                + " the last word of the prompt: they are joined as they are, so begin completions"
                + " with a space or end prompts with a line break");
  }

  static boolean runsTogether(Example example) {
    return example.prompt() != null
        && example.completion() != null
        && !example.prompt().isEmpty()
        && !example.completion().isEmpty()
        && Character.isLetterOrDigit(example.prompt().codePointBefore(example.prompt().length()))
        && Character.isLetterOrDigit(example.completion().codePointAt(0));
  }

  @Override
  public void examineLengths(Findings found, TokenLengths tokens) {
    leftOut(found, tokens);
    if (tokens.texts() != null) {
      ends(found, tokens.texts());
    }
  }

  private static void leftOut(Findings found, TokenLengths tokens) {
    String cause =
        " within max length "
            + found.maxLength()
            + "; give a larger "
            + Term.MAX_LENGTH
            + " or shorten the prompts";
    if (tokens.supervised().stream().allMatch(n -> n == 0)) {
      found.add(Severity.FATAL, "nothing_supervised", "no row has a token to learn" + cause);
      return;
    }
    found.rows(
        Severity.WARNING,
        "unsupervised_rows",
        i -> tokens.supervised().get(i) == 0,
        n -> many(n, "row is", "rows are") + " left out: no token to learn" + cause);
  }

  /** What is said of where texts end, and of tokens across borders. */
  static void ends(Findings found, Texts texts) {
    boolean any = false;
    boolean spaces = false;
    for (int i = 0; i < texts.marks().size(); i++) {
      any |= texts.has(i, Texts.ENDS);
      if (!spaces && texts.has(i, Texts.BORDER_INSIDE)) {
        String prompt = found.data().get(i).prompt();
        spaces = prompt != null && prompt.endsWith(" ");
      }
    }
    if (found.isTraining() && !any) {
      found.add(
          Severity.WARNING,
          "no_end",
          "no row teaches the model to stop: the model folder names no end-of-sequence token"
              + " (eos_token), or every end was cut. What it generates will run to the limit");
    }
    LengthFindings.partBorders(found, texts);
    String advice =
        spaces
            ? "Prompts should not end in a space"
            : "This model's tokenizer joins the two: end the prompts in what it joins with nothing,"
                + " such as a line end";
    found.rows(
        Severity.WARNING,
        "shared_token",
        i -> texts.has(i, Texts.BORDER_INSIDE),
        n ->
            many(n, "row has", "rows have")
                + " a token that begins in the prompt and ends in the completion: generation will"
                + " start from other tokens than training did. "
                + advice);
  }

  @Override
  public String unit() {
    return "sequence";
  }

  /** What share of the tokens is learned, the others only being read. */
  @Override
  public String describe(SplitSummary summary) {
    return String.format(
        Locale.ROOT,
        "%s; %,d of %s are learned (%.0f %%)",
        many(summary.lengths().size(), "sequence"),
        summary.supervised(),
        many(summary.tokens(), "token"),
        100.0 * summary.supervised() / Math.max(1, summary.tokens()));
  }

  @Override
  public void describe(SplitSummary summary, ObjectNode split) {
    split.put("supervised_tokens", summary.supervised());
    split.put("sequences", summary.lengths().size());
  }

  private static final class Type implements TaskType {
    @Override
    public String name() {
      return "causal-lm";
    }

    @Override
    public List<Term> options() {
      return List.of(Term.TRAIN_ON_PROMPT, Term.STRIDE);
    }

    @Override
    public String peftType() {
      return "CAUSAL_LM";
    }

    @Override
    public String pipeline() {
      return "text-generation";
    }

    @Override
    public boolean streams() {
      return true;
    }

    @Override
    public String classSuffix() {
      return "ForCausalLM";
    }

    @Override
    public boolean hasClass(String architecture) {
      return architecture.endsWith(classSuffix()) || architecture.endsWith("LMHeadModel");
    }

    @Override
    public boolean generates() {
      return true;
    }

    @Override
    public boolean hasOwnHead() {
      return false;
    }

    @Override
    public boolean hasLabels() {
      return false;
    }

    @Override
    public Task create(LabelMap labels, Dataset train, TaskOptions options) {
      return new CausalLm(options.flag(Term.TRAIN_ON_PROMPT));
    }

    /** What was learned is what evaluation measures. */
    @Override
    public Task open(LabelMap labels, JsonNode settings, TaskOptions options) {
      return new CausalLm(
          settings.path("train_on_prompt").asBoolean(false), options.integer(Term.STRIDE, 1, 0));
    }
  }
}
