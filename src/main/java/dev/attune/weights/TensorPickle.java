package dev.attune.weights;

import dev.attune.core.InputException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Interprets the pickle of a PyTorch state dictionary as data. It builds strings, numbers, lists,
 * dictionaries and {@link TensorRef}s; a class or function is only ever a name, and calling one
 * that is not on the short list below is an error. Nothing is loaded, looked up or run.
 */
final class TensorPickle {
  private static final int MAX_DIMS = 64;
  private static final long OLDER_VERSION = 1001;

  /** Of the order of 64 bytes each: 150,000 tensors have as many. */
  private static final int MAX_VALUES = 4_000_000;

  /** Where a tensor lies: strides and offset count elements of its storage. */
  record TensorRef(StorageRef storage, long offset, long[] shape, long[] strides) {}

  /** A named block of the archive. */
  record StorageRef(String key, ElementType type, long elements) {}

  private record Global(String name) {}

  private static final Object MARK = new Object();
  private static final Object NONE = new Object();

  private static final Map<String, ElementType> STORAGES =
      Map.of(
          "torch.FloatStorage", ElementType.F32,
          "torch.HalfStorage", ElementType.F16,
          "torch.BFloat16Storage", ElementType.BF16,
          "torch.DoubleStorage", ElementType.F64,
          "torch.LongStorage", ElementType.I64,
          "torch.IntStorage", ElementType.I32,
          "torch.ShortStorage", ElementType.I16,
          "torch.CharStorage", ElementType.I8,
          "torch.ByteStorage", ElementType.U8,
          "torch.BoolStorage", ElementType.BOOL);

  private final Path file;
  private final ByteBuffer in;
  private final List<Object> stack = new ArrayList<>();
  private final Map<Long, Object> memo = new HashMap<>();
  private final Map<Object, StorageRef> storages = new HashMap<>();
  private int values;

  private TensorPickle(Path file, ByteBuffer bytes) {
    this.file = file;
    this.in = bytes.order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The tensors by name, in the order of the file. */
  static Map<String, TensorRef> parse(Path file, byte[] bytes) {
    return tensors(file, new TensorPickle(file, ByteBuffer.wrap(bytes)).run());
  }

  /**
   * What stands before the storages of a file as torch.save wrote it before PyTorch 1.6.
   *
   * @param tensors by name
   * @param storages in the order in which they follow
   * @param end bytes before the first of them
   */
  record Older(Map<String, TensorRef> tensors, List<StorageRef> storages, int end) {}

  /**
   * Reads five pickles: a number, which the caller has seen, a version, the writer's machine, the
   * tensors and the keys of their storages.
   */
  static Older older(Path file, byte[] bytes, int begin) {
    TensorPickle pickle = new TensorPickle(file, ByteBuffer.wrap(bytes).position(begin));
    Object version = pickle.next();
    if (!Long.valueOf(OLDER_VERSION).equals(version)) {
      throw pickle.broken("another version of the older format");
    }
    if (!(pickle.next() instanceof Map<?, ?> machine)
        || !Boolean.TRUE.equals(machine.get("little_endian"))) {
      throw Messages.bad(file, "was written on a big-endian machine, which is not supported");
    }
    Map<String, TensorRef> tensors = tensors(file, pickle.next());
    List<StorageRef> storages = new ArrayList<>();
    for (Object key : pickle.list(pickle.next())) {
      StorageRef storage = pickle.storages.get(key);
      if (storage == null) {
        throw pickle.broken("a storage of which no tensor is");
      }
      storages.add(storage);
    }
    return new Older(tensors, storages, pickle.in.position());
  }

  /** The next of several pickles, each of which remembers nothing of those before. */
  private Object next() {
    memo.clear();
    stack.clear();
    return run();
  }

  private static Map<String, TensorRef> tensors(Path file, Object top) {
    if (!(top instanceof Map<?, ?> map)) {
      throw Messages.bad(file, "holds %s, not a dictionary of tensors", describe(top));
    }
    Map<String, TensorRef> out = new LinkedHashMap<>();
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      if (!(entry.getKey() instanceof String name)
          || !(entry.getValue() instanceof TensorRef tensor)) {
        throw Messages.bad(
            file,
            "entry %s is %s, not a tensor; save model.state_dict() alone, best as safetensors",
            Messages.shown(String.valueOf(entry.getKey())),
            describe(entry.getValue()));
      }
      out.put(name, tensor);
    }
    return out;
  }

  private static String describe(Object value) {
    return value instanceof Map
        ? "a dictionary"
        : value instanceof List
            ? "a list"
            : value instanceof TensorRef
                ? "a tensor"
                : value instanceof Global global ? Messages.shown(global.name()) : "a plain value";
  }

  private Object run() {
    while (true) {
      int opcode = unsigned(1);
      switch (opcode) {
        case 0x80 -> unsigned(1); // PROTO
        case 0x95 -> take(8); // FRAME
        case '.' -> {
          return pop();
        }
        case '(' -> push(MARK);
        case 'N' -> push(NONE);
        case 0x88 -> push(Boolean.TRUE);
        case 0x89 -> push(Boolean.FALSE);
        case 'K' -> push((long) unsigned(1));
        case 'M' -> push((long) unsigned(2));
        case 'J' -> push((long) take(4).getInt());
        case 0x8a -> push(longOf(unsigned(1)));
        case 'G' -> push(take(8).order(ByteOrder.BIG_ENDIAN).getDouble());
        case 'U', 0x8c -> push(text(unsigned(1)));
        case 'T', 'X' -> push(text(take(4).getInt()));
        case 'c' -> push(new Global(line() + "." + line()));
        case 0x93 -> {
          String name = string();
          push(new Global(string() + "." + name));
        }
        case '}' -> push(new LinkedHashMap<Object, Object>());
        case ']', ')' -> push(new ArrayList<>());
        case 't' -> push(sinceMark());
        case 0x85 -> pushTop(1);
        case 0x86 -> pushTop(2);
        case 0x87 -> pushTop(3);
        case 'q' -> memo.put((long) unsigned(1), peek());
        case 'r' -> memo.put(take(4).getInt() & 0xFFFFFFFFL, peek());
        case 0x94 -> memo.put((long) memo.size(), peek());
        case 'h' -> push(recall(unsigned(1)));
        case 'j' -> push(recall(take(4).getInt() & 0xFFFFFFFFL));
        case 's' -> {
          Object value = pop();
          Object key = pop();
          setItems(List.of(key, value));
        }
        case 'u' -> setItems(sinceMark());
        case 'a' -> {
          Object value = pop();
          list(peek()).add(value);
        }
        case 'e' -> {
          List<Object> values = sinceMark();
          list(peek()).addAll(values);
        }
        case 'Q' -> push(storage(list(pop())));
        case 'R' -> {
          List<Object> arguments = list(pop());
          push(call(pop(), arguments));
        }
        case 'b' -> pop(); // BUILD: attributes such as _metadata, which carry no weights
        default -> throw broken("opcode " + opcode);
      }
    }
  }

  private Object call(Object function, List<Object> arguments) {
    String name = function instanceof Global global ? global.name() : "?";
    switch (name) {
      case "collections.OrderedDict" -> {
        if (arguments.isEmpty()) {
          return new LinkedHashMap<Object, Object>();
        }
      }
      case "torch._utils._rebuild_parameter" -> {
        if (!arguments.isEmpty() && arguments.get(0) instanceof TensorRef tensor) {
          return tensor;
        }
      }
      case "torch._utils._rebuild_tensor_v2" -> {
        if (arguments.size() >= 4
            && arguments.get(0) instanceof StorageRef storage
            && arguments.get(1) instanceof Long offset) {
          return tensor(
              storage, offset, longs(list(arguments.get(2))), longs(list(arguments.get(3))));
        }
      }
      default ->
          throw Messages.bad(
              file,
              "wants to call %s while it is loaded; only plain dictionaries of tensors are read,"
                  + " for safety. Convert it to safetensors where it came from",
              Messages.shown(name));
    }
    throw broken("unexpected arguments of " + name);
  }

  private TensorRef tensor(StorageRef storage, long offset, long[] shape, long[] strides) {
    try {
      boolean valid = shape.length == strides.length && offset >= 0;
      long elements = 1;
      long last = offset;
      for (int i = 0; valid && i < shape.length; i++) {
        valid = shape[i] >= 0 && strides[i] >= 0;
        elements = Math.multiplyExact(elements, shape[i]);
        last = Math.addExact(last, Math.multiplyExact(Math.max(shape[i] - 1, 0), strides[i]));
      }
      if (valid && (elements == 0 || last < storage.elements())) {
        return new TensorRef(storage, offset, shape, strides);
      }
    } catch (ArithmeticException e) {
      // Reported below, as every other impossible size.
    }
    throw Messages.bad(
        file,
        "a tensor of shape %s, strides %s and offset %d does not fit its storage of %d elements",
        Arrays.toString(shape),
        Arrays.toString(strides),
        offset,
        storage.elements());
  }

  // ("storage", class, key, location, elements), and in the older format a view, which is none
  private StorageRef storage(List<Object> id) {
    if ((id.size() == 5 || id.size() == 6 && id.get(5) == NONE)
        && "storage".equals(id.get(0))
        && id.get(1) instanceof Global global
        && id.get(2) instanceof String key
        && id.get(4) instanceof Long elements
        && elements >= 0
        && elements <= Long.MAX_VALUE / 8) {
      ElementType type = STORAGES.get(global.name());
      if (type == null) {
        throw Messages.bad(
            file,
            "a tensor is stored as %s; known are %s",
            Messages.shown(global.name()),
            STORAGES.keySet().stream().sorted().toList());
      }
      StorageRef storage = new StorageRef(key, type, elements);
      storages.put(key, storage);
      return storage;
    }
    throw broken("an unknown kind of storage");
  }

  private void setItems(List<Object> items) {
    Object target = peek();
    if (!(target instanceof Map<?, ?>) || items.size() % 2 != 0) {
      throw broken("items for something that is not a dictionary");
    }
    @SuppressWarnings("unchecked") // every Map here is a LinkedHashMap<Object, Object>
    Map<Object, Object> map = (Map<Object, Object>) target;
    for (int i = 0; i < items.size(); i += 2) {
      Object key = items.get(i);
      if (!(key instanceof String || key instanceof Long)) { // others could hash without end
        throw broken("a dictionary key that is neither text nor a number");
      }
      map.put(key, items.get(i + 1));
    }
  }

  private long[] longs(List<Object> values) {
    if (values.size() > MAX_DIMS) {
      throw broken("a tensor of more than " + MAX_DIMS + " dimensions");
    }
    long[] out = new long[values.size()];
    for (int i = 0; i < out.length; i++) {
      if (!(values.get(i) instanceof Long value)) {
        throw broken("a shape that is not made of numbers");
      }
      out[i] = value;
    }
    return out;
  }

  private List<Object> list(Object value) {
    if (!(value instanceof List<?>)) {
      throw broken("something else where a list belongs");
    }
    @SuppressWarnings("unchecked") // every List here is an ArrayList<Object>
    List<Object> list = (List<Object>) value;
    return list;
  }

  private List<Object> sinceMark() {
    int mark = stack.lastIndexOf(MARK);
    if (mark < 0) {
      throw broken("a missing mark");
    }
    List<Object> tail = stack.subList(mark + 1, stack.size());
    List<Object> out = new ArrayList<>(tail);
    stack.subList(mark, stack.size()).clear();
    return out;
  }

  private void pushTop(int count) {
    List<Object> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(0, pop());
    }
    push(out);
  }

  private void push(Object value) {
    if (++values > MAX_VALUES) {
      throw broken("more than " + MAX_VALUES + " values");
    }
    stack.add(value);
  }

  private Object peek() {
    if (stack.isEmpty()) {
      throw broken("an empty stack");
    }
    return stack.get(stack.size() - 1);
  }

  private Object pop() {
    Object value = peek();
    stack.remove(stack.size() - 1);
    return value;
  }

  private String string() {
    if (pop() instanceof String text) {
      return text;
    }
    throw broken("something else where text belongs");
  }

  private Object recall(long key) {
    Object value = memo.get(key);
    if (value == null) {
      throw broken("an unknown memo entry");
    }
    return value;
  }

  private ByteBuffer take(int length) {
    if (length < 0 || length > in.remaining()) {
      throw broken("a value of " + length + " bytes");
    }
    ByteBuffer out = in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN);
    in.position(in.position() + length);
    return out;
  }

  private int unsigned(int bytes) {
    ByteBuffer value = take(bytes);
    return bytes == 1 ? value.get() & 0xFF : value.getShort() & 0xFFFF;
  }

  private long longOf(int bytes) {
    if (bytes > 8) {
      throw broken("a number of more than 64 bits");
    }
    ByteBuffer value = take(bytes);
    long out = 0;
    for (int i = 0; i < bytes; i++) {
      out |= (value.get(i) & 0xFFL) << 8 * i;
    }
    int unused = 64 - 8 * bytes;
    return bytes == 0 ? 0 : out << unused >> unused;
  }

  private String text(int bytes) {
    try {
      return Messages.utf8(take(bytes));
    } catch (CharacterCodingException e) {
      throw broken("text that is not UTF-8");
    }
  }

  private String line() {
    int start = in.position();
    int end = start;
    while (end < in.limit() && in.get(end) != '\n') {
      end++;
    }
    if (end == in.limit()) {
      throw broken("a line without end");
    }
    String out = text(end - start);
    in.position(end + 1);
    return out;
  }

  private InputException broken(String what) {
    return Messages.bad(
        file, "not a PyTorch state dictionary: %s near byte %d of its pickle", what, in.position());
  }
}
