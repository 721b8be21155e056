package dev.attune.task;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import dev.attune.text.Encoding;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/** Texts, prompts and conversations to token ids, and which of them are learned. */
final class NextTokens implements RowEncoder<NextTokens.Row> {
  /**
   * One row of the file.
   *
   * @param ids (T)
   * @param supervised which tokens are learned (T); null: all
   * @param inBlocks whether it is cut into sequences rather than cut off
   * @param ends whether it ends in the end of sequence, which is learned
   * @param borderInside whether a token is partly given and partly learned
   */
  record Row(
      int[] ids, boolean[] supervised, boolean inBlocks, boolean ends, boolean borderInside) {
    /** Which tokens are learned, of those from {@code first} on. */
    boolean[] learnedFrom(int first) {
      boolean[] learned = new boolean[ids.length];
      for (int t = first; t < ids.length; t++) {
        learned[t] = learns(t);
      }
      return learned;
    }

    boolean learns(int token) {
      return supervised == null || supervised[token];
    }
  }

  private final TextTokenizer tokenizer;
  private final int maxLength;
  private final int stride;
  private final boolean trainOnPrompt;
  private final OptionalInt end;
  private ChatTemplate chat; // opened when the first conversation comes

  /**
   * @param stride tokens from one sequence of a long text to the next; below maxLength they overlap
   */
  NextTokens(TextTokenizer tokenizer, int maxLength, int stride, boolean trainOnPrompt) {
    TextRows.checkLength(tokenizer, maxLength, Math.max(tokenizer.specialTokens(false) + 1, 2));
    this.stride = stride;
    this.tokenizer = tokenizer;
    this.maxLength = maxLength;
    this.trainOnPrompt = trainOnPrompt;
    this.end = tokenizer.eosId();
  }

  @Override
  public Row encode(Dataset dataset, Example example) {
    Check.input(
        example.sources() == 1,
        "%s: language modelling needs text, or prompt and completion, or messages; the row has %s"
            + " of them",
        dataset.where(example),
        example.sources() == 0 ? "none" : "more than one");
    if (example.text() != null) {
      return row(tokenizer.encodeIds(example.text(), null, Integer.MAX_VALUE).ids(), 0, true);
    }
    if (example.prompt() != null) {
      return completion(dataset, example);
    }
    return conversation(dataset, example);
  }

  private synchronized ChatTemplate chat() {
    if (chat == null) {
      chat = ChatTemplate.open(tokenizer.folder());
    }
    return chat;
  }

  private Row conversation(Dataset dataset, Example example) {
    List<ChatMessage> messages = example.messages();
    Check.input(
        messages.get(messages.size() - 1).isAssistant(),
        "%s: the conversation does not end on the assistant's turn: there is no answer to learn",
        dataset.where(example));
    List<?> tools = dataset.tools(example);
    ChatTemplate template = chat();
    String text;
    List<int[]> learned;
    try {
      if (trainOnPrompt) {
        text = template.render(messages, tools, false);
        learned = List.of(new int[] {0, text.length()});
      } else {
        ChatTemplate.Conversation conversation = template.conversation(messages, tools);
        text = conversation.text();
        learned = conversation.learned();
      }
    } catch (InputException e) {
      throw new InputException(dataset.where(example) + ": " + e.getMessage(), e);
    }
    return marked(text, learned);
  }

  /** The tokens of a text of which some spans are learned, and the end of sequence. */
  private Row marked(String text, List<int[]> learned) {
    Encoding tokens = tokenizer.encodeRendered(text);
    boolean ended = end.isEmpty() || endsIn(end.getAsInt(), text, tokens);
    int[] ids = ended ? tokens.ids() : Arrays.copyOf(tokens.ids(), tokens.length() + 1);
    boolean[] supervised = new boolean[ids.length];
    boolean borderInside = false;
    for (int[] span : learned) {
      int begin = text.codePointCount(0, span[0]);
      int close = text.codePointCount(0, span[1]);
      for (int t = 0; t < tokens.length(); t++) {
        if (tokens.offsetEnd(t) > begin && tokens.offsetBegin(t) < close) {
          supervised[t] = true;
          borderInside |= tokens.offsetBegin(t) < begin;
        }
      }
    }
    if (!ended) {
      ids[tokens.length()] = end.getAsInt();
      supervised[tokens.length()] = true;
    }
    return new Row(ids, supervised, false, end.isPresent(), borderInside);
  }

  /** Whether nothing but white space follows the last end of sequence. */
  private static boolean endsIn(int end, String text, Encoding tokens) {
    for (int t = tokens.length() - 1; t >= 0; t--) {
      if (tokens.ids()[t] == end) {
        return true;
      }
      int from = text.offsetByCodePoints(0, tokens.offsetBegin(t));
      if (!text.substring(from).isBlank()) {
        return false;
      }
    }
    return false;
  }

  private Row completion(Dataset dataset, Example example) {
    Check.input(
        example.completion() != null, "%s: the prompt has no completion", dataset.where(example));
    int[] prompt = tokenizer.encodeIds(example.prompt(), null, Integer.MAX_VALUE).ids();
    int[] whole =
        tokenizer.encodeIds(example.prompt() + example.completion(), null, Integer.MAX_VALUE).ids();
    // Tokens of the prompt alone are what generation will start from. Where the two differ, the
    // token that holds both is learned: it is the first that generation has to come up with.
    int shared = Arrays.mismatch(prompt, whole);
    int given = shared < 0 ? prompt.length : shared;
    Row row = row(whole, trainOnPrompt ? 0 : given, false);
    boolean borderInside = given < prompt.length && !isEnd(prompt, given);
    return new Row(row.ids(), row.supervised(), false, row.ends(), borderInside);
  }

  /** A tokenizer that ends every text itself ends the prompt too, which says nothing. */
  private boolean isEnd(int[] ids, int at) {
    return at == ids.length - 1 && end.isPresent() && ids[at] == end.getAsInt();
  }

  /** All tokens from {@code given} on are learned, and the end of sequence. */
  private Row row(int[] text, int given, boolean inBlocks) {
    boolean ended = end.isEmpty() || isEnd(text, text.length - 1);
    int[] ids = ended ? text : Arrays.copyOf(text, text.length + 1);
    if (!ended) {
      ids[text.length] = end.getAsInt();
    }
    boolean[] supervised = null;
    if (given > 0) {
      supervised = new boolean[ids.length];
      Arrays.fill(supervised, given, ids.length, true);
    }
    return new Row(ids, supervised, inBlocks, end.isPresent(), false);
  }

  /** Cuts the rows into sequences and counts what that costs. */
  @Override
  public EncodedDataset pack(Dataset dataset, List<Row> rows) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
    int[] lengths = new int[rows.size()];
    int[] dropped = new int[rows.size()];
    int[] supervised = new int[rows.size()];
    boolean[] ends = new boolean[rows.size()];
    boolean[] borders = new boolean[rows.size()];
    int[] sequences = new int[rows.size()];
    int[] sources = new int[rows.size()];
    int count = 0;
    for (int i = 0; i < rows.size(); i++) {
      Row row = rows.set(i, null);
      int all = row.ids().length;
      int kept = row.inBlocks() ? all : Math.min(all, maxLength);
      borders[i] = row.borderInside();
      int end = 0; // of the sequence before
      for (int from = 0; end < kept; from += row.inBlocks() ? stride : maxLength) {
        int length = Math.min(maxLength, kept - from);
        int targets = 0;
        // What the sequence before has counted is context here.
        for (int t = Math.max(from + 1, end); t < from + length; t++) {
          targets += row.learns(t) ? 1 : 0;
        }
        int fresh = from + length - end;
        if (targets > 0) {
          boolean[] learned = end > from ? row.learnedFrom(end) : row.supervised();
          builder.addNextTokens(row.ids(), learned, from, length);
          if (count == sequences.length) {
            sequences = Arrays.copyOf(sequences, 2 * count);
            sources = Arrays.copyOf(sources, 2 * count);
          }
          sequences[count] = length;
          sources[count++] = i;
          lengths[i] += fresh;
          supervised[i] += targets;
          ends[i] = row.ends() && from + length == all;
        }
        end = from + length;
      }
      dropped[i] = all - lengths[i];
    }
    return builder
        .rows(
            Arrays.copyOf(sources, count),
            new TokenLengths(
                lengths,
                dropped,
                supervised,
                Arrays.copyOf(sequences, count),
                new TokenLengths.Texts(ends, borders)))
        .build();
  }
}
