package dev.attune.weights;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
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
    ProtobufMessage wire = new ProtobufMessage(model.slice(), origin);
    boolean found = false;
    while (wire.next()) {
      if (wire.field() == 7) {
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

  private String countedName(ProtobufMessage message) {
    count();
    return message.string();
  }

  private void readGraph(ProtobufMessage graph) {
    while (graph.next()) {
      switch (graph.field()) {
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

  private Node readNode(ProtobufMessage node) {
    count();
    List<String> inputs = new ArrayList<>(4);
    List<String> outputs = new ArrayList<>(1);
    String opType = "";
    while (node.next()) {
      switch (node.field()) {
        case 1 -> inputs.add(countedName(node));
        case 2 -> outputs.add(countedName(node));
        case 4 -> opType = countedName(node);
        default -> node.skip();
      }
    }
    return new Node(opType, List.copyOf(inputs), List.copyOf(outputs));
  }

  private Initializer readTensor(ProtobufMessage tensor) {
    count();
    ProtobufMessage.Longs shape = new ProtobufMessage.Longs();
    ProtobufMessage.Floats floats = new ProtobufMessage.Floats();
    ByteBuffer raw = null;
    String name = "";
    long onnxType = 0;
    long location = 0;
    while (tensor.next()) {
      switch (tensor.field()) {
        case 1 -> tensor.varints(shape);
        case 2 -> onnxType = tensor.varint();
        case 4 -> tensor.floats(floats);
        case 8 -> name = countedName(tensor);
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
}
