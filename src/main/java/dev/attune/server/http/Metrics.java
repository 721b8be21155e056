package dev.attune.server.http;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * What a server tells of itself in the OpenMetrics format. Each part registers what it knows when
 * it is made. Values of labels must be few: routes, states, names of models; never ids.
 */
public final class Metrics {
  /** The type of {@link #text}. */
  public static final String TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8";

  /** Upper bounds of a histogram's buckets, in seconds. */
  private static final double[] SECONDS = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
  };

  private final Map<String, Family> families = new TreeMap<>();

  /** What is written under one name. */
  private interface Family {
    void write(StringBuilder out);
  }

  /** What only grows. */
  public static final class Counter implements Family {
    private final String name;
    private final List<String> labels;
    private final ConcurrentMap<List<String>, LongAdder> values = new ConcurrentHashMap<>();

    private Counter(String name, List<String> labels) {
      this.name = name;
      this.labels = labels;
      if (labels.isEmpty()) {
        add(0); // is shown before it has been counted
      }
    }

    /**
     * Counts.
     *
     * @param labelValues in the order of the labels
     */
    public void add(long count, String... labelValues) {
      values.computeIfAbsent(List.of(labelValues), key -> new LongAdder()).add(count);
    }

    /** How many so far. */
    public long get(String... labelValues) {
      LongAdder value = values.get(List.of(labelValues));
      return value == null ? 0 : value.sum();
    }

    @Override
    public void write(StringBuilder out) {
      values.forEach((key, value) -> line(out, name + "_total", labels(labels, key), value.sum()));
    }
  }

  /** How long things take. */
  public static final class Histogram implements Family {
    private final String name;
    private final List<String> labels;
    private final ConcurrentMap<List<String>, Buckets> values = new ConcurrentHashMap<>();

    private static final class Buckets {
      private final LongAdder[] counts = new LongAdder[SECONDS.length + 1];
      private final DoubleAdder sum = new DoubleAdder();

      private Buckets() {
        Arrays.setAll(counts, i -> new LongAdder());
      }
    }

    private Histogram(String name, List<String> labels) {
      this.name = name;
      this.labels = labels;
    }

    /** Notes one. */
    public void observe(double seconds, String... labelValues) {
      Buckets buckets = values.computeIfAbsent(List.of(labelValues), key -> new Buckets());
      int place = 0;
      while (place < SECONDS.length && seconds > SECONDS[place]) {
        place++;
      }
      buckets.counts[place].increment();
      buckets.sum.add(seconds);
    }

    @Override
    public void write(StringBuilder out) {
      values.forEach(
          (key, buckets) -> {
            String own = labels(labels, key);
            long count = 0;
            for (int i = 0; i <= SECONDS.length; i++) {
              count += buckets.counts[i].sum();
              String bound = i == SECONDS.length ? "+Inf" : Double.toString(SECONDS[i]);
              String least = "le=\"" + bound + "\"";
              line(out, name + "_bucket", own.isEmpty() ? least : own + "," + least, count);
            }
            line(out, name + "_count", own, count);
            line(out, name + "_sum", own, buckets.sum.sum());
          });
    }
  }

  /** Makes a counter; its name does not end in {@code _total}, which is added. */
  public Counter counter(String name, String help, String... labels) {
    Counter counter = new Counter(name, List.of(labels));
    register(name, "counter", help, counter);
    return counter;
  }

  /** Makes a histogram of durations; its name ends in {@code _seconds}. */
  public Histogram histogram(String name, String help, String... labels) {
    Histogram histogram = new Histogram(name, List.of(labels));
    register(name, "histogram", help, histogram);
    return histogram;
  }

  /** Shows a value as it is when somebody looks. */
  public void gauge(String name, String help, Supplier<? extends Number> value) {
    register(name, "gauge", help, out -> line(out, name, "", value.get()));
  }

  /** Shows several, one for each value of a label, as they are when somebody looks. */
  public void gauge(
      String name,
      String help,
      String label,
      Supplier<? extends Map<String, ? extends Number>> values) {
    register(
        name,
        "gauge",
        help,
        out ->
            values
                .get()
                .forEach(
                    (key, value) -> line(out, name, labels(List.of(label), List.of(key)), value)));
  }

  private synchronized void register(String name, String type, String help, Family family) {
    String head = "# TYPE " + name + " " + type + "\n# HELP " + name + " " + escaped(help) + "\n";
    Family before =
        families.putIfAbsent(
            name,
            out -> {
              out.append(head);
              family.write(out);
            });
    if (before != null) {
      throw new IllegalArgumentException("there is a metric " + name + " already");
    }
  }

  private static String labels(List<String> names, List<String> values) {
    if (names.size() != values.size()) {
      throw new IllegalArgumentException(names + " have the values " + values);
    }
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < names.size(); i++) {
      out.append(i == 0 ? "" : ",").append(names.get(i)).append("=\"");
      out.append(escaped(values.get(i))).append('"');
    }
    return out.toString();
  }

  private static String escaped(String text) {
    return text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
  }

  private static void line(StringBuilder out, String name, String labels, Number value) {
    out.append(name);
    if (!labels.isEmpty()) {
      out.append('{').append(labels).append('}');
    }
    out.append(' ').append(text(value)).append('\n');
  }

  private static String text(Number value) {
    double number = value.doubleValue();
    if (Double.isInfinite(number)) {
      return number > 0 ? "+Inf" : "-Inf";
    }
    return number == Math.rint(number) && Math.abs(number) < 1e15
        ? String.format(Locale.ROOT, "%d", value.longValue())
        : Double.toString(number);
  }

  /** All of it, as it is now. */
  public synchronized String text() {
    return families.values().stream()
        .map(
            family -> {
              StringBuilder out = new StringBuilder();
              family.write(out);
              return out.toString();
            })
        .collect(Collectors.joining("", "", "# EOF\n"));
  }
}
