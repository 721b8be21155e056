package dev.attune.data;

import dev.attune.data.Finding.Severity;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** How tags mark the words of an entity. */
public enum TagScheme {
  /** Tags are names of their own, as parts of speech. */
  PLAIN("plain"),
  /** Every entity begins with B, and goes on with I. */
  BIO("BIO"),
  /** Entities begin with I, or with B where one of the same type stands right before. */
  IOB1("IOB1"),
  /** Last words have E or L, single ones S or U: also called BILOU. */
  BIOES("BIOES");

  private static final Pattern TAG = Pattern.compile("O|[BI](-.+)?|[ESLUM]-.+");
  private static final String OUTSIDE = "O";
  private static final String CONVERTED = "tags_converted";

  private final String words;

  TagScheme(String words) {
    this.words = words;
  }

  /** The scheme that tags are of. */
  public static TagScheme of(Dataset data) {
    return of(data.examples().stream().map(Example::tags).filter(tags -> tags != null).toList());
  }

  static TagScheme of(List<List<String>> sentences) {
    Set<String> distinct = new HashSet<>();
    sentences.forEach(distinct::addAll);
    TagScheme scheme = ofNames(distinct);
    return scheme == BIO && isIob1(sentences) ? IOB1 : scheme;
  }

  /** The scheme as far as the names alone tell: never IOB1. */
  public static TagScheme ofNames(Set<String> names) {
    boolean entities = names.stream().anyMatch(name -> !name.equals(OUTSIDE));
    if (!entities || !names.stream().allMatch(name -> TAG.matcher(name).matches())) {
      return PLAIN;
    }
    boolean ends = names.stream().anyMatch(name -> "ESLUM".indexOf(name.charAt(0)) >= 0);
    return ends ? BIOES : BIO;
  }

  /** The tags that keep a set of entity tags from being one. */
  public static Set<String> strangers(Set<String> names) {
    Set<String> strangers = new TreeSet<>();
    boolean entities = names.contains(OUTSIDE) && names.stream().anyMatch(n -> n.startsWith("B-"));
    names.stream().filter(name -> entities && !TAG.matcher(name).matches()).forEach(strangers::add);
    return strangers;
  }

  private static boolean isIob1(List<List<String>> sentences) {
    boolean begins = false;
    for (List<String> tags : sentences) {
      for (int i = 0; i < tags.size(); i++) {
        boolean follows = i > 0 && isSameType(tags.get(i - 1), tags.get(i));
        if (tags.get(i).startsWith("B") && !follows) {
          return false;
        }
        begins |= tags.get(i).startsWith("I") && !follows;
      }
    }
    return begins;
  }

  private static boolean isSameType(String before, String tag) {
    return TAG.matcher(before).matches()
        && !before.equals(OUTSIDE)
        && before.substring(1).equals(tag.substring(1));
  }

  /** Whether tags of data were of another scheme before they became BIO. */
  public static boolean isConverted(Dataset data) {
    return data.reading().findings().stream().anyMatch(found -> found.code().equals(CONVERTED));
  }

  /** The tags that tags of any scheme become in BIO, in the order of the names. */
  public static List<String> namesInBio(List<String> names) {
    Set<String> out = new LinkedHashSet<>();
    for (String name : names) {
      char prefix = TAG.matcher(name).matches() ? name.charAt(0) : 'O';
      String type = name.isEmpty() ? "" : name.substring(1);
      switch (prefix) {
        case 'S', 'U' -> out.add("B" + type);
        case 'E', 'L', 'M' -> out.add("I" + type);
        default -> out.add(name);
      }
      boolean mayBegin = "IELM".indexOf(prefix) >= 0;
      if (mayBegin && Stream.of("B", "S", "U").noneMatch(p -> names.contains(p + type))) {
        out.add("B" + type); // what begins such an entity
      }
    }
    return List.copyOf(out);
  }

  /** The data with tags of this scheme as BIO, which the data's reading then says. */
  public Dataset toBio(Dataset data) {
    if (this != IOB1 && this != BIOES) {
      return data;
    }
    return data.changed(
            e -> e.tags() == null ? e : e.withTargets(e.label(), e.labels(), toBio(e.tags())),
            "BIO of " + this)
        .with(
            Finding.ofFile(
                Severity.NOTE,
                CONVERTED,
                "the tags are of the scheme " + words + " and are learned and measured as BIO"));
  }

  private List<String> toBio(List<String> tags) {
    List<String> out = new ArrayList<>(tags.size());
    for (int i = 0; i < tags.size(); i++) {
      String tag = tags.get(i);
      if (!TAG.matcher(tag).matches()) { // where another file told the scheme
        out.add(tag);
        continue;
      }
      char prefix = tag.charAt(0);
      boolean begins = i == 0 || !isSameType(tags.get(i - 1), tag);
      String type = tag.substring(1);
      if (this == IOB1) {
        out.add(prefix == 'I' && begins ? "B" + type : tag);
      } else {
        out.add(
            switch (prefix) {
              case 'S', 'U' -> "B" + type;
              case 'E', 'L', 'M' -> (begins ? "B" : "I") + type;
              default -> tag;
            });
      }
    }
    return out;
  }
}
