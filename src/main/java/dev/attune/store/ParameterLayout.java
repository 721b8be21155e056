package dev.attune.store;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.QuantizedLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Where each declared tensor lies: trained ones in the flat store, in the order that {@link
 * Parameters} states, frozen ones behind each other in a buffer of their own. Allocates nothing.
 */
final class ParameterLayout {
  /** Of segments, in elements. */
  static final int ALIGNMENT = 16;

  private static final int CACHE_LINE = 64;

  /**
   * Which segments a declaration became.
   *
   * @param begin the first
   * @param end behind the last
   */
  record Range(int begin, int end) {}

  private final List<Segment> segments = new ArrayList<>();
  private final Map<String, Segment> byName = new LinkedHashMap<>();
  private final List<Range> ranges = new ArrayList<>();
  private final List<Stretch> resting = new ArrayList<>();
  private final List<QuantizedWeight> quantized = new ArrayList<>();
  private final long rowSparseEnd;
  private final long decayEnd;
  private long size;
  private long frozenBytes;

  /**
   * Lays out.
   *
   * @throws InputException if a weight that is to be packed does not consist of whole blocks
   */
  ParameterLayout(List<Declaration> declared) {
    for (int i = 0; i < declared.size(); i++) {
      ranges.add(null);
    }
    place(declared, d -> d.frozenAs() == null && d.rowSparse());
    rowSparseEnd = size;
    place(declared, d -> d.frozenAs() == null && !d.rowSparse() && d.decays());
    decayEnd = size;
    place(declared, d -> d.frozenAs() == null && !d.decays());
    placeFrozen(declared);
    for (Segment segment : segments) {
      byName.put(segment.name(), segment);
      rest(segment);
    }
  }

  private void place(List<Declaration> declared, Predicate<Declaration> section) {
    for (int i = 0; i < declared.size(); i++) {
      Declaration d = declared.get(i);
      if (!section.test(d)) {
        continue;
      }
      size = align(size);
      int begin = segments.size();
      for (Part part : d.parts()) {
        segments.add(
            new Segment(
                part.name(),
                d.folderShape(part),
                size,
                d.count(part),
                d.decays(),
                d.layout(),
                DType.F32,
                false,
                d.trainedRows(),
                d.depth()));
        size += d.count(part);
      }
      ranges.set(i, new Range(begin, segments.size()));
    }
    size = align(size);
  }

  private void placeFrozen(List<Declaration> declared) {
    for (int i = 0; i < declared.size(); i++) {
      Declaration d = declared.get(i);
      if (d.frozenAs() == null) {
        continue;
      }
      int begin = segments.size();
      boolean isQuantized = d.dtype().sizeBytes() == 0;
      long at = frozenBytes;
      for (Part part : d.parts()) {
        // Tensors that are packed together have one place, that of them all.
        segments.add(
            new Segment(
                part.name(),
                d.folderShape(part),
                at,
                d.count(part),
                d.decays(),
                d.layout(),
                d.dtype(),
                true,
                null,
                d.depth()));
        at += d.count(part) * d.dtype().sizeBytes();
      }
      if (isQuantized) {
        if (d.dtype() != DType.CHANNEL_INT8 && d.cols() % QuantizedLayout.BLOCK != 0) {
          throw new InputException(
              String.format(
                  "%s has %d columns; weights of few bits (%s, %s) need a multiple of %d",
                  d.parts().get(0).name(),
                  d.cols(),
                  Term.LOAD_IN_4BIT,
                  Term.LOAD_IN_8BIT,
                  QuantizedLayout.BLOCK));
        }
        if (d.dtype() == DType.CHANNEL_INT8 && d.cols() > ChannelInt8Layout.MAX_COLUMNS) {
          throw new InputException(
              String.format(
                  "%s has %d columns; %s takes %d at most, whose products have exact sums",
                  d.parts().get(0).name(),
                  d.cols(),
                  Term.PRECISION.of("int8"),
                  ChannelInt8Layout.MAX_COLUMNS));
        }
        long rows = d.rows();
        quantized.add(new QuantizedWeight(d.dtype(), frozenBytes, rows, d.cols()));
        at += QuantizedWeight.sizeBytes(d.dtype(), rows, d.cols());
      }
      frozenBytes = (at + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
      ranges.set(i, new Range(begin, segments.size()));
    }
  }

  /** Notes what lies between the rows of a segment that are trained. */
  private void rest(Segment segment) {
    if (segment.trainedRows() == null) {
      return;
    }
    long cols = segment.shape()[1];
    long from = segment.first();
    for (int row : segment.trainedRows()) {
      long begin = segment.first() + row * cols;
      if (begin > from) {
        resting.add(new Stretch(from, begin));
      }
      from = begin + cols;
    }
    long end = segment.first() + segment.count();
    if (end > from) {
      resting.add(new Stretch(from, end));
    }
  }

  private static long align(long value) {
    return (value + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /** The named tensors, in the order of the store, the frozen ones last. */
  List<Segment> segments() {
    return Collections.unmodifiableList(segments);
  }

  /** The named tensor, or null. */
  Segment segment(String name) {
    return byName.get(name);
  }

  /** By declaration, in the order of these. */
  List<Range> ranges() {
    return ranges;
  }

  /** What is in the store and not trained, in its order. */
  List<Stretch> resting() {
    return Collections.unmodifiableList(resting);
  }

  /** End of the row-sparse section, which starts at 0. */
  long rowSparseEnd() {
    return rowSparseEnd;
  }

  /** End of the section whose weights decay. */
  long decayEnd() {
    return decayEnd;
  }

  /** Elements of the store, gaps included. */
  long size() {
    return size;
  }

  /** Whether the frozen tensors are those of another layout, at the same places. */
  boolean hasFrozenOf(ParameterLayout other) {
    return frozenOnes().equals(other.frozenOnes());
  }

  private List<List<Object>> frozenOnes() {
    return segments.stream()
        .filter(Segment::frozen)
        .<List<Object>>map(s -> List.of(s.name(), s.first(), s.count(), s.dtype(), s.layout()))
        .toList();
  }

  /** What the frozen tensors take. */
  long frozenBytes() {
    return frozenBytes;
  }

  /** The frozen weights that are packed. */
  List<QuantizedWeight> quantized() {
    return quantized;
  }
}
