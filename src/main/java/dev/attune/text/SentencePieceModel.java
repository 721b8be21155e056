package dev.attune.text;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The pieces of a sentencepiece file (Kudo and Richardson, 2018): a message of Google's protocol
 * buffers, of which few fields count here.
 *
 * @param pieces in the order of their ids
 * @param unknown the id of the unknown piece
 * @param table what characters become before a text is cut; empty: nothing
 * @param addsSpace whether a space is put before a text
 * @param trimsSpaces whether of several spaces one is left, and none at the ends
 * @param fallsBackToBytes whether characters without a piece are spelled by their bytes
 */
record SentencePieceModel(
    List<Piece> pieces,
    int unknown,
    byte[] table,
    boolean addsSpace,
    boolean trimsSpaces,
    boolean fallsBackToBytes) {
  /** Kinds of models. */
  static final int UNIGRAM = 1;

  static final int MERGES = 2;

  // Numbers of fields.
  private static final int PIECES = 1;
  private static final int TRAINER = 2;
  private static final int NORMALIZER = 3;
  private static final int TEXT = 1;
  private static final int SCORE = 2;
  private static final int KIND = 3;
  private static final int MODEL_TYPE = 3;
  private static final int BYTE_FALLBACK = 35;
  private static final int UNKNOWN_ID = 40;
  private static final int TABLE = 2;
  private static final int ADDED_SPACE = 3;
  private static final int TRIMMED_SPACES = 4;

  // Kinds of values on the wire.
  private static final int VARINT = 0;
  private static final int FIXED_64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED_32 = 5;

  /**
   * A piece.
   *
   * @param score its logarithmic probability
   * @param kind see {@link #isControl} and {@link #isUserDefined}
   */
  record Piece(String text, float score, int kind) {
    private static final int NORMAL = 1;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;

    /** Whether it stands for no text. */
    boolean isControl() {
      return kind == CONTROL;
    }

    /** Whether it is never split. */
    boolean isUserDefined() {
      return kind == USER_DEFINED;
    }
  }

  /** A field of a message: bytes, or null and a number. */
  private record Field(int number, ByteBuffer content, long value) {
    ByteBuffer bytes() {
      Check.argument(content != null, "a number where bytes are wanted: field %d", number);
      return content;
    }

    byte[] allBytes() {
      byte[] all = new byte[bytes().remaining()];
      bytes().get(all);
      return all;
    }
  }

  /**
   * Reads a file.
   *
   * @param kind of model that is wanted
   * @throws InputException if it is none, or holds another kind of model
   */
  static SentencePieceModel read(Path file, int kind) {
    try {
      return of(file, kind, ByteBuffer.wrap(Files.readAllBytes(file)));
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    } catch (BufferUnderflowException
        | IllegalArgumentException
        | IndexOutOfBoundsException
        | ArithmeticException e) {
      throw new InputException(
          file + " is not a sentencepiece model, or ends too early: fetch it again", e);
    }
  }

  private static SentencePieceModel of(Path file, int kind, ByteBuffer message) {
    List<Piece> pieces = new ArrayList<>();
    int unknown = 0;
    byte[] table = new byte[0];
    // Where the file does not say.
    long type = UNIGRAM;
    boolean addsSpace = true;
    boolean trimsSpaces = true;
    boolean fallsBackToBytes = false;
    while (message.hasRemaining()) {
      Field field = next(message);
      if (field.number == PIECES) {
        pieces.add(piece(field.bytes()));
      } else if (field.number == TRAINER) {
        while (field.bytes().hasRemaining()) {
          Field of = next(field.bytes());
          unknown = of.number == UNKNOWN_ID ? Math.toIntExact(of.value) : unknown;
          type = of.number == MODEL_TYPE ? of.value : type;
          fallsBackToBytes = of.number == BYTE_FALLBACK ? of.value != 0 : fallsBackToBytes;
        }
      } else if (field.number == NORMALIZER) {
        while (field.bytes().hasRemaining()) {
          Field of = next(field.bytes());
          table = of.number == TABLE ? of.allBytes() : table;
          addsSpace = of.number == ADDED_SPACE ? of.value != 0 : addsSpace;
          trimsSpaces = of.number == TRIMMED_SPACES ? of.value != 0 : trimsSpaces;
        }
      }
    }
    Check.input(
        type == kind,
        "%s is a sentencepiece model of type %d; %d is what this class of tokenizers has (1:"
            + " unigram, 2: BPE)",
        file,
        type,
        kind);
    Check.input(
        unknown >= 0 && unknown < pieces.size(),
        "%s has %d pieces, of which the unknown one is said to be number %d",
        file,
        pieces.size(),
        unknown);
    return new SentencePieceModel(
        List.copyOf(pieces), unknown, table, addsSpace, trimsSpaces, fallsBackToBytes);
  }

  private static Piece piece(ByteBuffer message) {
    String text = "";
    float score = 0;
    int kind = Piece.NORMAL;
    while (message.hasRemaining()) {
      Field field = next(message);
      switch (field.number) {
        case TEXT -> text = StandardCharsets.UTF_8.decode(field.bytes()).toString();
        case SCORE -> score = Float.intBitsToFloat((int) field.value);
        case KIND -> kind = (int) field.value;
        default -> {}
      }
    }
    return new Piece(text, score, kind);
  }

  private static Field next(ByteBuffer message) {
    message.order(ByteOrder.LITTLE_ENDIAN);
    long key = varint(message);
    int number = Math.toIntExact(key >>> 3);
    return switch ((int) (key & 7)) {
      case VARINT -> new Field(number, null, varint(message));
      case FIXED_64 -> new Field(number, null, message.getLong());
      case FIXED_32 -> new Field(number, null, message.getInt());
      case BYTES -> {
        int length = Math.toIntExact(varint(message));
        ByteBuffer bytes = message.slice(message.position(), length);
        message.position(message.position() + length);
        yield new Field(number, bytes, 0);
      }
      default -> throw new IllegalArgumentException("no kind of value: " + (key & 7));
    };
  }

  private static long varint(ByteBuffer message) {
    long value = 0;
    for (int shift = 0; shift < Long.SIZE; shift += 7) {
      byte next = message.get();
      value |= (long) (next & 0x7F) << shift;
      if (next >= 0) {
        return value;
      }
    }
    throw new IllegalArgumentException("a number that does not end");
  }
}
