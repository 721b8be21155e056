package dev.attune.weights;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The nodes and initializers (constant tensors) of an ONNX model up to 2 GiB: just enough of the
 * protobuf wire format to take trained weights out of one. Attributes, subgraphs and functions are
 * skipped; tensors kept in other files are refused when read.
 */
public final class OnnxInitializers implements WeightSource {
  // Against files that are small on disk and huge in memory.
  private static final int MAX_ITEMS = 1_000_000;
  private static final int MAX_DIMS = 64;

  /**
   * One operation of the graph.
   *
   * @param opType for example {@code MatMul}
   * @param inputs names of the tensors it reads; an empty name is an omitted optional input
   * @param outputs names of the tensors it makes
   */
  public record Node(String opType, List<String> inputs, List<String> outputs) {}

  /** {@code data} is null when the tensor's type is not one that can be read. */
  private record Initializer(TensorInfo info, ElementType type, ByteBuffer data) {}

  private final Path origin;
  private final List<Node> nodes = new ArrayList<>();
  private final Map<String, Initializer> initializers = new LinkedHashMap<>();
  private int items;
  private boolean closed;

  private OnnxInitializers(Path origin) {
    this.origin = origin;
  }

  /**
   * Opens a model file.
   *
   * @throws InputException when it cannot be read or is not an ONNX model
   */
  public static OnnxInitializers open(Path file) {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size > Integer.MAX_VALUE) {
        throw Messages.bad(file, "%d bytes; ONNX files end at 2 GiB", size);
      }
      return parse(channel.map(FileChannel.MapMode.READ_ONLY, 0, size), file);
    } catch (IOException e) {
      throw Messages.unreadable(file, e);
    }
  }

  /**
   * Reads a model from memory, which must not change afterwards.
   *
   * @param origin the name used in messages
   * @throws InputException when it is not an ONNX model
   */
  public static OnnxInitializers parse(ByteBuffer model, Path origin) {
    OnnxInitializers out = new OnnxInitializers(origin);
    Wire wire = out.new Wire(model.slice());
    boolean found = false;
    while (wire.next()) {
      if (wire.field == 7) {
        if (found) {
          throw Messages.bad(origin, "has two graphs; is this an ONNX model?");
        }
        found = true;
        out.readGraph(wire.message());
      } else {
        wire.skip();
      }
    }
    if (!found) {
      throw Messages.bad(origin, "has no graph; is this an ONNX model?");
    }
    return out;
  }

  /** The operations, in the order of the file, which ONNX requires to be topological. */
  public List<Node> nodes() {
    return Collections.unmodifiableList(nodes);
  }

  @Override
  public Set<String> names() {
    return Collections.unmodifiableSet(initializers.keySet());
  }

  @Override
  public TensorInfo info(String name) {
    return initializer(name).info();
  }

  @Override
  public void read(String name, long first, FloatBuffer out) {
    Initializer tensor = initializer(name);
    if (tensor.type() == null || !tensor.type().isFloat()) {
      throw Messages.bad(origin, "initializer %s is not a float tensor", tensor.info());
    }
    if (tensor.data() == null) {
      throw Messages.bad(
          origin,
          "the data of initializer %s is in another file, which is not supported",
          Messages.shown(name));
    }
    Check.argument(
        first >= 0 && first + out.remaining() <= tensor.info().elements(),
        "elements %d to %d are not inside %s",
        first,
        first + out.remaining(),
        tensor.info());
    int begin = (int) first * tensor.type().bytes();
    tensor.type().toFloats(tensor.data().duplicate().position(begin), out, name);
  }

  @Override
  public void close() {
    closed = true;
  }

  private Initializer initializer(String name) {
    Check.state(!closed, "%s was closed", origin);
    Initializer found = initializers.get(name);
    if (found == null) {
      throw Messages.unknown(origin, name, initializers.size());
    }
    return found;
  }

  private void count() {
    if (++items > MAX_ITEMS) {
      throw Messages.bad(origin, "more than %d nodes, names and tensors in the graph", MAX_ITEMS);
    }
  }

  private void readGraph(Wire graph) {
    while (graph.next()) {
      switch (graph.field) {
        case 1 -> nodes.add(readNode(graph.message()));
        case 5 -> {
          Initializer tensor = readTensor(graph.message());
          if (initializers.put(tensor.info().name(), tensor) != null) {
            throw Messages.bad(
                origin, "two initializers are named %s", Messages.shown(tensor.info().name()));
          }
        }
        default -> graph.skip();
      }
    }
  }

  private Node readNode(Wire node) {
    count();
    List<String> inputs = new ArrayList<>(4);
    List<String> outputs = new ArrayList<>(1);
    String opType = "";
    while (node.next()) {
      switch (node.field) {
        case 1 -> inputs.add(node.string());
        case 2 -> outputs.add(node.string());
        case 4 -> opType = node.string();
        default -> node.skip();
      }
    }
    return new Node(opType, List.copyOf(inputs), List.copyOf(outputs));
  }

  private Initializer readTensor(Wire tensor) {
    count();
    Longs shape = new Longs();
    Floats floats = new Floats();
    ByteBuffer raw = null;
    String name = "";
    long onnxType = 0;
    long location = 0;
    while (tensor.next()) {
      switch (tensor.field) {
        case 1 -> tensor.varints(shape);
        case 2 -> onnxType = tensor.varint();
        case 4 -> tensor.floats(floats);
        case 8 -> name = tensor.string();
        case 9 -> raw = tensor.bytes();
        case 14 -> location = tensor.varint();
        default -> tensor.skip();
      }
    }
    ElementType type = typeOf(onnxType);
    String typeName = type == null ? "ONNX:" + onnxType : type.name();
    TensorInfo info = new TensorInfo(name, typeName, shape.toArray());
    long elements = elements(info);
    if (type == null || location != 0) {
      return new Initializer(info, type, null);
    }
    ByteBuffer data = raw == null && type == ElementType.F32 ? floats.toBytes() : raw;
    if (data == null) { // integers may lie in typed fields, which nobody needs
      if (type.isFloat()) {
        throw Messages.bad(origin, "initializer %s has no raw data", info);
      }
      return new Initializer(info, type, null);
    }
    if (elements > Integer.MAX_VALUE || elements * type.bytes() != data.remaining()) {
      throw Messages.bad(
          origin,
          "initializer %s needs %d elements of %d bytes, its data has %d bytes",
          info,
          elements,
          type.bytes(),
          data.remaining());
    }
    return new Initializer(info, type, data);
  }

  private long elements(TensorInfo info) {
    try {
      long elements = 1;
      for (long dim : info.shape()) {
        if (dim < 0) {
          throw Messages.bad(origin, "initializer %s has a negative dimension", info);
        }
        elements = Math.multiplyExact(elements, dim);
      }
      return elements;
    } catch (ArithmeticException e) {
      throw Messages.bad(origin, "the size of initializer %s overflows 64 bits", info);
    }
  }

  private static ElementType typeOf(long onnxType) {
    return switch ((int) Math.min(Math.max(onnxType, 0), 64)) {
      case 1 -> ElementType.F32;
      case 2 -> ElementType.U8;
      case 3 -> ElementType.I8;
      case 4 -> ElementType.U16;
      case 5 -> ElementType.I16;
      case 6 -> ElementType.I32;
      case 7 -> ElementType.I64;
      case 9 -> ElementType.BOOL;
      case 10 -> ElementType.F16;
      case 11 -> ElementType.F64;
      case 12 -> ElementType.U32;
      case 13 -> ElementType.U64;
      case 16 -> ElementType.BF16;
      default -> null;
    };
  }

  private static final class Longs {
    private long[] values = new long[4];
    private int count;

    boolean add(long value) {
      if (count == MAX_DIMS) {
        return false;
      }
      if (count == values.length) {
        values = Arrays.copyOf(values, 2 * count);
      }
      values[count++] = value;
      return true;
    }

    long[] toArray() {
      return Arrays.copyOf(values, count);
    }
  }

  private static final class Floats {
    private ByteBuffer bytes = ByteBuffer.allocate(0);

    /** Appends whole floats; the total is bounded by the size of the file. */
    void add(ByteBuffer more) {
      if (bytes.remaining() < more.remaining()) {
        int grown = (int) Math.min(Integer.MAX_VALUE - 8, 2L * (bytes.position() + more.limit()));
        bytes = ByteBuffer.allocate(Math.max(grown, 64)).put(bytes.flip());
      }
      bytes.put(more);
    }

    ByteBuffer toBytes() {
      return bytes.flip();
    }
  }

  /** A cursor over one protobuf message. Every step is checked against the message's end. */
  private final class Wire {
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED32 = 5;

    private final ByteBuffer in;
    private int field;
    private int wireType;

    Wire(ByteBuffer in) {
      this.in = in.order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Moves to the next field; false at the end of the message. */
    boolean next() {
      if (!in.hasRemaining()) {
        return false;
      }
      long tag = rawVarint();
      wireType = (int) (tag & 7);
      field = (int) (tag >>> 3);
      if (tag >>> 32 != 0 || field == 0) {
        throw broken("an impossible field number");
      }
      return true;
    }

    long varint() {
      require(VARINT);
      return rawVarint();
    }

    ByteBuffer bytes() {
      require(BYTES);
      long length = rawVarint();
      if (length < 0 || length > in.remaining()) {
        throw broken("a length of " + Long.toUnsignedString(length));
      }
      ByteBuffer out = in.slice(in.position(), (int) length);
      in.position(in.position() + (int) length);
      return out;
    }

    Wire message() {
      return new Wire(bytes());
    }

    String string() {
      count();
      try {
        return Messages.utf8(bytes());
      } catch (CharacterCodingException e) {
        throw broken("a name that is not UTF-8");
      }
    }

    void varints(Longs out) {
      boolean fits;
      if (wireType == VARINT) {
        fits = out.add(rawVarint());
      } else {
        Wire packed = message();
        fits = true;
        while (fits && packed.in.hasRemaining()) {
          fits = out.add(packed.rawVarint());
        }
      }
      if (!fits) {
        throw broken("a tensor of more than " + MAX_DIMS + " dimensions");
      }
    }

    void floats(Floats out) {
      if (wireType == FIXED32) {
        out.add(take(4));
        return;
      }
      ByteBuffer packed = bytes();
      if (packed.remaining() % 4 != 0) {
        throw broken("packed floats of " + packed.remaining() + " bytes");
      }
      out.add(packed);
    }

    void skip() {
      switch (wireType) {
        case VARINT -> rawVarint();
        case FIXED64 -> take(8);
        case BYTES -> bytes();
        case FIXED32 -> take(4);
        default -> throw broken("wire type " + wireType);
      }
    }

    private void require(int expected) {
      if (wireType != expected) {
        throw broken("wire type " + wireType + " for field " + field);
      }
    }

    private ByteBuffer take(int length) {
      if (in.remaining() < length) {
        throw broken("a field cut short");
      }
      ByteBuffer out = in.slice(in.position(), length);
      in.position(in.position() + length);
      return out;
    }

    private long rawVarint() {
      long value = 0;
      for (int shift = 0; shift < 64; shift += 7) {
        if (!in.hasRemaining()) {
          throw broken("a number cut short");
        }
        byte b = in.get();
        value |= (b & 0x7FL) << shift;
        if (b >= 0) {
          return value;
        }
      }
      throw broken("a number of more than 64 bits");
    }

    private InputException broken(String what) {
      return Messages.bad(
          origin, "not an ONNX model, or damaged: %s before byte %d", what, in.position());
    }
  }
}
