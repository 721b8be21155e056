package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.memory.NativePointer;
import java.lang.reflect.RecordComponent;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * The arguments of a call in 64-bit slots outside the heap, where native code reads them; reused
 * for one call after the other, by one thread at a time.
 *
 * <p>The methods that fill a slot say what the argument is, and refuse a value that the op does not
 * allow: the one place where arguments are checked, whatever the backend. Addresses are needed
 * unless the call has nothing to do, which is so where one of its counts is 0.
 */
public final class Frame {
  /** No tensor is larger: offsets in bytes then stay far from overflow. */
  private static final long MAX_ELEMENTS = 1L << 48;

  private static final int SLOTS = 40;
  private static final Pattern CAPITAL = Pattern.compile("(?<=[a-z0-9])([A-Z])");

  private final LongBuffer slots;
  private final long address;
  private final StringBuilder kinds; // null unless this frame only asks what the arguments are
  private String op;
  private Class<?> call;
  private int at;
  private int missing;
  private boolean empty;

  public Frame() {
    this(null);
  }

  private Frame(StringBuilder kinds) {
    ByteBuffer memory =
        ByteBuffer.allocateDirect(SLOTS * Long.BYTES).order(ByteOrder.nativeOrder());
    this.slots = memory.asLongBuffer();
    this.address = NativePointer.addressOf(memory);
    this.kinds = kinds;
  }

  /** A frame that takes any value and keeps what kinds of arguments it was given. */
  static Frame recording() {
    return new Frame(new StringBuilder());
  }

  /**
   * Takes the arguments of a call.
   *
   * @param op the op's name, for messages
   * @throws IllegalArgumentException that names op, argument, value and what is allowed
   */
  public void take(String op, Call arguments) {
    this.op = op;
    this.call = arguments.getClass();
    at = 0;
    missing = -1;
    empty = false;
    arguments.fill(this);
    if (missing >= 0 && !empty) {
      throw refusal(missing, "is null, must be an address");
    }
  }

  /** Where the slots lie. */
  public long address() {
    return address;
  }

  /** How many slots the last call filled. */
  int size() {
    return at;
  }

  long slot(int index) {
    return slots.get(index);
  }

  /** A letter for each argument, as {@code attune_op_kinds} gives them. */
  String kinds() {
    return kinds.toString();
  }

  private Frame put(char kind, long value) {
    slots.put(at++, value);
    if (kinds != null) {
      kinds.append(kind);
    }
    return this;
  }

  private Frame address(char kind, long value, boolean needed) {
    if (value == 0 && needed && missing < 0) {
      missing = at;
    }
    return put(kind, value);
  }

  /** A tensor that is written. */
  public Frame writes(long tensor) {
    return address('w', tensor, true);
  }

  /** A tensor that is written, needed only where {@code needed}. */
  public Frame writes(long tensor, boolean needed) {
    return address('w', tensor, needed);
  }

  /** A tensor that is written where it is given. */
  public Frame mayWrite(long tensor) {
    return address('w', tensor, false);
  }

  /** A tensor that is written even by a call of nothing. */
  public Frame alwaysWrites(long tensor) {
    if (tensor == 0) {
      refuse("is null, must be an address");
    }
    return put('w', tensor);
  }

  /** A tensor that is read. */
  public Frame reads(long tensor) {
    return address('r', tensor, true);
  }

  /** A tensor that is read, needed only where {@code needed}. */
  public Frame reads(long tensor, boolean needed) {
    return address('r', tensor, needed);
  }

  /** A tensor that is read where it is given. */
  public Frame mayRead(long tensor) {
    return address('r', tensor, false);
  }

  /** A number of rows or elements; 0: there is nothing to do. */
  public Frame count(long value) {
    if (value < 0 || value > MAX_ELEMENTS) {
      refuse("is %d, must be 0..2^48", value);
    }
    empty |= value == 0;
    return put('l', value);
  }

  /** A number of rows or elements that may be 0 while there is something to do. */
  public Frame bound(long value) {
    if (value < 0 || value > MAX_ELEMENTS) {
      refuse("is %d, must be 0..2^48", value);
    }
    return put('l', value);
  }

  /** A width: at least 1. */
  public Frame dim(long value) {
    return dim(value, MAX_ELEMENTS);
  }

  /** A width that is at most {@code largest}. */
  public Frame dim(long value, long largest) {
    return within(value, 1, largest);
  }

  /** A number in {@code least..largest}. */
  public Frame within(long value, long least, long largest) {
    if (value < least || value > largest) {
      if (largest == MAX_ELEMENTS) {
        refuse("is %d, must be %d..2^48", value, least);
      } else {
        refuse("is %d, must be %d..%d", value, least, largest);
      }
    }
    return put('l', value);
  }

  /** {@link #dim} of a matrix of {@code rows} rows, all of which are at most 2^48 elements. */
  public Frame columns(long value, long rows) {
    return columns(value, rows, MAX_ELEMENTS);
  }

  /** {@link #columns} that are at most {@code largest}. */
  public Frame columns(long value, long rows, long largest) {
    if (value >= 1 && rows > MAX_ELEMENTS / value) {
      refuse("is %d, times %d rows, must be at most 2^48", value, rows);
    }
    return dim(value, largest);
  }

  /** The distance of {@code rows} rows of {@code width} elements each. */
  public Frame stride(long value, long width, long rows) {
    if (value < width || value > MAX_ELEMENTS || (value > 0 && rows > MAX_ELEMENTS / value)) {
      refuse(
          "is %d, must be at least %d (elements of a row), times %d rows at most 2^48",
          value, width, rows);
    }
    return put('l', value);
  }

  /** Any int64. */
  public Frame any(long value) {
    return put('l', value);
  }

  /** Any int32. */
  public Frame any(int value) {
    return put('i', value);
  }

  public Frame flag(boolean value) {
    return put('i', value ? 1 : 0);
  }

  /** A type of activations: f32 or bf16. */
  public Frame dtype(DType value) {
    if (value != DType.F32 && value != DType.BF16) {
      refuse("is %s, must be F32 or BF16", value);
    }
    return put('i', value.code());
  }

  /** A type that products read weights in, {@code columns} wide. */
  public Frame weightDtype(DType value, long columns) {
    if (value == DType.I32 || value == DType.CHANNEL_INT8) {
      refuse("is %s, must be F32, BF16, NF4 or INT8", value);
    }
    if (isPacked(value) && columns % QuantizedLayout.BLOCK != 0) {
      refuse(
          "is %s, C is %d, must then be a multiple of %d", value, columns, QuantizedLayout.BLOCK);
    }
    return put('i', value.code());
  }

  /** A type of 4 or 8 bits. */
  public Frame packedDtype(DType value) {
    if (!isPacked(value)) {
      refuse("is %s, must be NF4 or INT8", value);
    }
    return put('i', value.code());
  }

  private static boolean isPacked(DType dtype) {
    return dtype == DType.NF4 || dtype == DType.INT8;
  }

  public Frame activation(Activation value) {
    return put('i', value.code());
  }

  public Frame pairLoss(PairLossKind value) {
    return put('i', value.code());
  }

  private Frame put(float value) {
    return put('f', Float.floatToRawIntBits(value));
  }

  public Frame finite(float value) {
    if (!Float.isFinite(value)) {
      refuse("is %s, must be finite", value);
    }
    return put(value);
  }

  public Frame notNegative(float value) {
    if (!(value >= 0 && value <= Float.MAX_VALUE)) {
      refuse("is %s, must be finite and at least 0", value);
    }
    return put(value);
  }

  public Frame positive(float value) {
    if (!(value > 0 && value <= Float.MAX_VALUE)) {
      refuse("is %s, must be finite and above 0", value);
    }
    return put(value);
  }

  /** In [0, 1). */
  public Frame probability(float value) {
    if (!(value >= 0 && value < 1)) {
      refuse("is %s, must be in [0, 1)", value);
    }
    return put(value);
  }

  /** In [0, 1]. */
  public Frame portion(float value) {
    if (!(value >= 0 && value <= 1)) {
      refuse("is %s, must be in [0, 1]", value);
    }
    return put(value);
  }

  /** In (0, 1]. */
  public Frame factor(float value) {
    if (!(value > 0 && value <= 1)) {
      refuse("is %s, must be in (0, 1]", value);
    }
    return put(value);
  }

  /**
   * Claims that two tensors are both given or both null.
   *
   * @param names of the two, for the message
   */
  public Frame together(long one, long other, String names) {
    if ((one == 0) != (other == 0) && kinds == null) {
      throw new IllegalArgumentException(
          op + ": of " + names + " one is null, must be both or none");
    }
    return this;
  }

  /** Refuses the argument that comes next. */
  public void refuse(String format, Object... values) {
    if (kinds == null) {
      throw refusal(at, String.format(Locale.ROOT, format, values));
    }
  }

  private IllegalArgumentException refusal(int argument, String what) {
    return new IllegalArgumentException(op + ": " + names(call).get(argument) + " " + what);
  }

  /** The arguments that a record stands for, as the header spells them. */
  static List<String> names(Class<?> call) {
    List<String> names = new ArrayList<>();
    for (RecordComponent component : call.getRecordComponents()) {
      if (component.getType().isRecord()) {
        names.addAll(names(component.getType()));
      } else {
        names.add(inHeader(component.getName()));
      }
    }
    return names;
  }

  /** Dimensions have capital letters in both languages; other names are in camel case here. */
  private static String inHeader(String name) {
    return Character.isUpperCase(name.charAt(0))
        ? name
        : CAPITAL.matcher(name).replaceAll("_$1").toLowerCase(Locale.ROOT);
  }
}
