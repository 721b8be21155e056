package dev.attune.task;

import static dev.attune.data.TokenLengths.Texts.BORDER_INSIDE;
import static dev.attune.data.TokenLengths.Texts.ENDS;
import static dev.attune.data.TokenLengths.Texts.PART_BORDER;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.RowEncoder;
import dev.attune.batch.TargetLayout;
import dev.attune.batch.TextRows;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.Storage;
import dev.attune.text.ChatMessage;
import dev.attune.text.ChatTemplate;
import dev.attune.text.Encoding;
import dev.attune.text.TextPart;
import dev.attune.text.TextTokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/** Texts, prompts and conversations to token ids, and which of them are learned. */
final class NextTokens implements RowEncoder<NextTokens.Row> {
  /** Characters of the part before by which the border of a part is checked. */
  private static final int TAIL = 512;

  /**
   * One row of the file.
   *
   * @param ids (T)
   * @param supervised which tokens are learned (T); null: all
   * @param inBlocks whether it is cut into sequences rather than cut off
   * @param ends whether it ends in the end of sequence, which is learned
   * @param marks see {@link TokenLengths.Texts}; without the end
   * @param continues whether it goes on with the text of the row before
   * @param more whether the next row goes on with this one's
   */
  record Row(
      int[] ids,
      boolean[] supervised,
      boolean inBlocks,
      boolean ends,
      int marks,
      boolean continues,
      boolean more) {
    /** A text of its own. */
    Row(int[] ids, boolean[] supervised, boolean inBlocks, boolean ends, boolean borderInside) {
      this(ids, supervised, inBlocks, ends, borderInside ? BORDER_INSIDE : 0, false, false);
    }

    /** The same row as a part of a text. */
    Row part(boolean isExact, boolean goesOn, boolean hasMore) {
      int mark = isExact ? 0 : PART_BORDER;
      return new Row(ids, supervised, inBlocks, ends, mark, goesOn, hasMore);
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
    this.end = tokenizer.vocabulary().eosId();
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
    return conversation(dataset, example, dataset.tools(example), 0);
  }

  /**
   * A prompt with an answer, which alone is learned.
   *
   * @param example with prompt and completion, or messages
   * @param tools that the assistant may call, or null
   * @param given of messages: turns before the answer
   */
  Row answer(Dataset dataset, Example example, List<?> tools, int given) {
    return example.messages() == null
        ? completion(dataset, example)
        : conversation(dataset, example, tools, given);
  }

  /** A part of a text is encoded with the end of the one before, by which borders are checked. */
  @Override
  public Row encodeAt(Dataset dataset, int index) {
    Example example = dataset.get(index);
    boolean continues = dataset.continues(index);
    boolean more = index + 1 < dataset.size() && dataset.continues(index + 1);
    if (!continues && !more) {
      return encode(dataset, example);
    }
    String before = continues ? tail(dataset.get(index - 1).text()) : "";
    TextPart part = tokenizer.encodePart(before, example.text(), !more);
    Row row = more ? new Row(part.ids(), null, true, false, false) : row(part.ids(), 0, true);
    return row.part(part.isExact(), continues, more);
  }

  /** The last lines of a text, whole ones where they are short enough. */
  private static String tail(String text) {
    int from = Math.max(0, text.length() - TAIL);
    int line = text.indexOf('\n', from);
    boolean isWhole = line >= 0 && line + 1 < text.length();
    int begin = from == 0 ? 0 : isWhole ? line + 1 : from;
    return text.substring(Character.isLowSurrogate(text.charAt(begin)) ? begin + 1 : begin);
  }

  private synchronized ChatTemplate chat() {
    if (chat == null) {
      chat = ChatTemplate.open(tokenizer.folder());
    }
    return chat;
  }

  /**
   * @param given turns of which none is learned
   */
  private Row conversation(Dataset dataset, Example example, List<?> tools, int given) {
    List<ChatMessage> messages = example.messages();
    Check.input(
        messages.get(messages.size() - 1).isAssistant(),
        "%s: the conversation does not end on the assistant's turn: there is no answer to learn",
        dataset.where(example));
    boolean leavesOut = messages.stream().anyMatch(ChatMessage::isLeftOut);
    Check.input(
        !(trainOnPrompt && leavesOut),
        "%s: a turn has the weight 0, and %s learns all turns; leave one of the two out",
        dataset.where(example),
        Term.TRAIN_ON_PROMPT);
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
        if (given > 0) {
          int begin = template.render(messages.subList(0, given), tools, true).length();
          learned = learned.stream().filter(span -> span[0] >= begin).toList();
        }
      }
      UnwrittenTurns.refuse(template, text, messages, tools);
    } catch (InputException e) {
      throw new InputException(dataset.where(example) + ": " + e.getMessage(), e);
    }
    return marked(text, learned, !messages.get(messages.size() - 1).isLeftOut());
  }

  /**
   * The tokens of a text of which some spans are learned, and the end of sequence.
   *
   * @param learnsEnd whether the last turn is learned, and so that it ends
   */
  private Row marked(String text, List<int[]> learned, boolean learnsEnd) {
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
      supervised[tokens.length()] = learnsEnd;
    }
    return new Row(ids, supervised, false, end.isPresent() && learnsEnd, borderInside);
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

  @Override
  public TargetLayout layout() {
    return TargetLayout.LEARNED_ROWS;
  }

  @Override
  public String described() {
    return "next tokens " + maxLength + ' ' + stride + ' ' + trainOnPrompt + ' ' + end;
  }

  @Override
  public Packing<Row> packing(Dataset dataset, Storage storage) {
    return new Sequences(EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false, storage));
  }

  /** Cuts the rows into sequences and counts what that costs. */
  private final class Sequences implements Packing<Row> {
    private final EncodedDataset.Builder builder;
    private int index; // of the row
    private int[] held = new int[0]; // tokens of a text that goes on
    private int from; // where its next sequence begins among them
    private int end; // of the sequence before
    private int lost; // tokens of the text that are in no sequence yet

    Sequences(EncodedDataset.Builder builder) {
      this.builder = builder;
    }

    @Override
    public void add(Row row) {
      if (!row.continues()) {
        held = new int[0];
        from = 0;
        end = 0;
        lost = 0;
      }
      int[] ids = joined(row.ids());
      int all = ids.length;
      int kept = row.inBlocks() ? all : Math.min(all, maxLength);
      lost += row.ids().length;
      int lengths = 0;
      int supervised = 0;
      boolean ends = false;
      while (end < kept && !(row.more() && from + maxLength > kept)) {
        int length = Math.min(maxLength, kept - from);
        int targets = 0;
        // What the sequence before has counted is context here.
        for (int t = Math.max(from + 1, end); t < from + length; t++) {
          targets += row.learns(t) ? 1 : 0;
        }
        int fresh = from + length - end;
        if (targets > 0) {
          builder.addNextTokens(
              ids, end > from ? learned(row, all) : row.supervised(), from, length);
          builder.source(index);
          lengths += fresh;
          lost -= fresh;
          supervised += targets;
          ends = row.ends() && from + length == all;
        }
        end = from + length;
        from += row.inBlocks() ? stride : maxLength;
      }
      hold(ids, row.more());
      builder.row(lengths, row.more() ? 0 : lost, supervised, row.marks() | (ends ? ENDS : 0));
      index++;
    }

    private int[] joined(int[] ids) {
      if (held.length == 0) {
        return ids;
      }
      int[] joined = Arrays.copyOf(held, held.length + ids.length);
      System.arraycopy(ids, 0, joined, held.length, ids.length);
      return joined;
    }

    /** Keeps what the next sequence begins with. */
    private void hold(int[] ids, boolean more) {
      if (more) {
        held = Arrays.copyOfRange(ids, Math.min(from, ids.length), ids.length);
        end -= from;
        from = 0;
      }
    }

    /** Which tokens are learned, of those that no sequence has counted. */
    private boolean[] learned(Row row, int all) {
      boolean[] learned = new boolean[all];
      for (int t = end; t < all; t++) {
        learned[t] = row.learns(t);
      }
      return learned;
    }

    @Override
    public EncodedDataset done() {
      return builder.build();
    }
  }
}
