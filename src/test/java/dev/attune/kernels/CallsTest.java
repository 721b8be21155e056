package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.KernelLibrary.NativeOp;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.Op;
import dev.attune.kernels.calls.RopeCall;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The records of calls against the headers, against themselves and against a library. */
class CallsTest {
  private static final Path HEADERS =
      Path.of(System.getProperty("basedir", ".")).resolve("native/include");

  /** What the headers of all families declare. */
  private static String headers() throws IOException {
    StringBuilder text = new StringBuilder();
    try (DirectoryStream<Path> families = Files.newDirectoryStream(HEADERS, "attune_ops_*.h")) {
      for (Path family : families) {
        text.append(Files.readString(family));
      }
    }
    return text.toString();
  }

  /** A different value for every component, nested ones included, and what its slot must hold. */
  private static final class Sentinels {
    private final List<Long> slots = new ArrayList<>();

    Object instance(Class<?> record) throws ReflectiveOperationException {
      RecordComponent[] components = record.getRecordComponents();
      Class<?>[] types =
          Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
      Object[] values = new Object[types.length];
      for (int i = 0; i < types.length; i++) {
        values[i] = value(types[i]);
      }
      return record.getDeclaredConstructor(types).newInstance(values);
    }

    private Object value(Class<?> type) throws ReflectiveOperationException {
      int next = 100 + slots.size();
      if (type == long.class) {
        long value = (1L << 40) + next;
        slots.add(value);
        return value;
      } else if (type == int.class) {
        slots.add((long) next);
        return next;
      } else if (type == float.class) {
        float value = 1f / next;
        slots.add((long) Float.floatToRawIntBits(value));
        return value;
      } else if (type == boolean.class) {
        slots.add(slots.size() % 2L);
        return slots.get(slots.size() - 1) == 1;
      } else if (type == Activation.class) {
        slots.add((long) Activation.SILU.code());
        return Activation.SILU;
      } else if (type == PairLossKind.class) {
        slots.add((long) PairLossKind.TRIPLET_DOT.code());
        return PairLossKind.TRIPLET_DOT;
      } else if (type.isEnum()) {
        // Types follow each other in every op that takes two.
        DType[] all = DType.values();
        DType value = all[slots.size() % all.length];
        slots.add((long) value.code());
        return value;
      }
      return instance(type);
    }
  }

  @ParameterizedTest
  @EnumSource(Op.class)
  void everyComponentGoesToItsSlot(Op op) throws ReflectiveOperationException {
    Sentinels sentinels = new Sentinels();
    Call call = (Call) sentinels.instance(op.call());
    Frame frame = Frame.recording();
    frame.take(op.title(), call);
    List<Long> filled = new ArrayList<>();
    for (int i = 0; i < frame.size(); i++) {
      filled.add(frame.slot(i));
    }
    assertEquals(sentinels.slots, filled, () -> Frame.names(op.call()).toString());
  }

  @ParameterizedTest
  @EnumSource(Op.class)
  void theNamesAreThoseOfTheHeaders(Op op) throws IOException {
    String header = headers().replaceAll("(?m)//.*$", "");
    Matcher declaration =
        Pattern.compile("attune_status attune_" + op.title() + "\\(attune_context\\* ctx([^)]*)\\)")
            .matcher(header);
    assertTrue(declaration.find(), op.title() + " is declared");
    List<String> names = new ArrayList<>();
    StringBuilder kinds = new StringBuilder();
    for (String argument : declaration.group(1).split(",")) {
      if (!argument.isBlank()) {
        String[] words = argument.trim().split("\\s+");
        names.add(words[words.length - 1]);
        kinds.append(kind(argument.trim()));
      }
    }
    assertEquals(names, Frame.names(op.call()));
    assertEquals(kinds.toString(), KernelLibrary.kinds(op.call()));
  }

  private static char kind(String argument) {
    if (argument.contains("*")) {
      return argument.startsWith("const ") ? 'r' : 'w';
    }
    return switch (argument.split(" ")[0]) {
      case "int64_t" -> 'l';
      case "int32_t" -> 'i';
      case "float" -> 'f';
      default -> throw new AssertionError(argument);
    };
  }

  @Test
  void theHeadersDeclareNoOpThatIsNotListed() throws IOException {
    Matcher declaration = Pattern.compile("(?m)^attune_status attune_(\\w+)\\(").matcher(headers());
    List<String> declared = new ArrayList<>();
    while (declaration.find()) {
      declared.add(declaration.group(1));
    }
    List<String> listed = new ArrayList<>(Arrays.stream(Op.values()).map(Op::title).toList());
    declared.sort(null);
    listed.sort(null);
    assertEquals(declared, listed);
  }

  private static List<NativeOp> same() {
    return new ArrayList<>(
        Arrays.stream(Op.values())
            .map(op -> new NativeOp(op.title(), KernelLibrary.kinds(op.call())))
            .toList());
  }

  private static String refusal(List<NativeOp> ops) {
    return assertThrows(
            BackendException.class, () -> KernelLibrary.match(Path.of("/lib/kernels.so"), ops))
        .getMessage();
  }

  @Test
  void aLibraryMayNumberItsOpsAsItLikes() {
    List<NativeOp> ops = same();
    ops.add(0, new NativeOp("of_the_future", "wl"));
    int[] numbers = KernelLibrary.match(Path.of("x"), ops);
    for (Op op : Op.values()) {
      assertEquals(op.title(), ops.get(numbers[op.ordinal()]).name());
    }
  }

  @Test
  void aLibraryOfAnotherBuildIsRefusedByTheArgumentThatDiffers() {
    List<NativeOp> ops = same();
    ops.set(Op.COPY.ordinal(), new NativeOp("copy", "wwl"));
    String message = refusal(ops);
    assertTrue(message.contains("/lib/kernels.so"), message);
    assertTrue(message.contains("an address that is written as argument 1 of copy"), message);
    assertTrue(message.contains("an address that is read there: inp"), message);
    assertTrue(message.contains("build both from one checkout"), message);

    ops.set(Op.COPY.ordinal(), new NativeOp("copy", "wr"));
    assertTrue(refusal(ops).contains("takes 2 arguments for copy, these classes pass 3"));

    ops.remove(Op.COPY.ordinal());
    assertTrue(refusal(ops).contains("has no op copy"));
  }

  @Test
  void aCallOfNoOpIsRefused() {
    record Stray() implements Call {
      @Override
      public void fill(Frame frame) {}
    }

    assertThrows(IllegalArgumentException.class, () -> Op.of(new Stray()));
  }

  private static String refusal(Op op, Call call) {
    return assertThrows(IllegalArgumentException.class, () -> new Frame().take(op.title(), call))
        .getMessage();
  }

  @Test
  void refusalsNameOpArgumentValueAndWhatIsAllowed() {
    assertEquals(
        "fill_zero: out is null, must be an address",
        refusal(Op.FILL_ZERO, new FillZeroCall(0, 1)));
    assertEquals(
        "fill_zero: bytes is -1, must be 0..2^48", refusal(Op.FILL_ZERO, new FillZeroCall(1, -1)));
    assertEquals("copy: inp is null, must be an address", refusal(Op.COPY, new CopyCall(1, 0, 1)));
    assertEquals(
        "rope: rotary is 3, must be even and 0..8",
        refusal(Op.ROPE, new RopeCall(1, 1, 1, 2, 3, 8, 3, 24, 9, false, DType.F32)));
  }

  @Test
  void aCallOfNothingNeedsNoAddresses() {
    Frame frame = new Frame();
    frame.take("copy", new CopyCall(0, 0, 0));
    assertEquals(3, frame.size());
  }
}
