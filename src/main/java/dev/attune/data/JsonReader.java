package dev.attune.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A file of JSON to examples. It is read twice: once to see what it is, token by token and without
 * keeping anything; then row by row. It may be
 *
 * <ul>
 *   <li>a list of objects, one a row;
 *   <li>an object with one list of objects ({@code {"data": [...]}});
 *   <li>SQuAD's own form;
 *   <li>objects one after another: JSON Lines under another name; so is a single object that is a
 *       row.
 * </ul>
 */
final class JsonReader {
  private static final int NAMES_SHOWN = 6;

  /** Names of lists of rows, the likeliest first. */
  private static final List<String> LIKELY = List.of("train", "rows", "data", "examples");

  private static final String PARAGRAPHS = "paragraphs";

  /** Fields that articles of SQuAD have, and no rows to learn. */
  private static final Set<Set<String>> ARTICLES =
      Set.of(Set.of(PARAGRAPHS), Set.of("title", PARAGRAPHS));

  private final DataFile file;
  private final ReadOptions read;
  private final FileOptions options;

  JsonReader(DataFile file, ReadOptions read) {
    this.file = file;
    this.read = read;
    this.options = read.written();
  }

  /**
   * What the first value of a file is.
   *
   * @param start its first token
   * @param first the first token within a list; null: it is none
   * @param lists of objects that an object holds
   * @param objects that it holds, beside those in lists
   * @param otherLists that it holds
   * @param names of an object's fields
   * @param more whether another value follows
   * @param squad whether the objects of the list, or of the list "data", are articles of SQuAD
   */
  private record Shape(
      JsonToken start,
      JsonToken first,
      List<String> lists,
      List<String> objects,
      List<String> otherLists,
      Set<String> names,
      boolean more,
      boolean squad) {}

  /**
   * Whether the text begins with a list of rows.
   *
   * @param mayBeRows whether a list of texts is a row itself
   */
  static boolean isList(DataFile file, FileOptions options, boolean mayBeRows) {
    try (DecodedText text = new DecodedText(file, options.encoding());
        JsonParser parser = JsonText.parser(text)) {
      return parser.nextToken() == JsonToken.START_ARRAY
          && !(mayBeRows && parser.nextToken() == JsonToken.VALUE_STRING);
    } catch (JsonProcessingException e) {
      return false; // whose row the lines will tell
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  Dataset read() {
    Shape shape = shape();
    if (shape.start == null) {
      throw new InputException(file.shown() + " is empty");
    }
    if (shape.more && shape.first == JsonToken.VALUE_STRING && read.columns().arePairs()) {
      return lines().written("one list a line");
    }
    if (shape.start == JsonToken.START_ARRAY && shape.squad) {
      throw new InputException(
          file.shown()
              + " is a list of articles with paragraphs. SQuAD has it in an object: jq '{data: .}' "
              + file.shown().getFileName()
              + " > squad.json");
    }
    if (shape.start == JsonToken.START_ARRAY) {
      return rows(null, shape.more)
          .written(shape.more ? "several lists of objects" : "a list of objects");
    }
    if (shape.start != JsonToken.START_OBJECT) {
      throw new InputException(
          file.shown()
              + " holds "
              + JsonText.described(shape.start)
              + ", no rows. A .json file is a list of objects: [{...}, {...}]");
    }
    if (shape.squad && !shape.more) {
      try (DecodedText text = new DecodedText(file, options.encoding());
          JsonParser parser = JsonText.parser(text)) {
        return new SquadReader(file.shown(), read).read(parser);
      } catch (JsonProcessingException e) {
        throw JsonText.invalid(file.shown(), e);
      } catch (IOException e) {
        throw file.unreadable(e);
      }
    }
    if (shape.more || isRow(shape)) {
      return lines().written("one object a line");
    }
    return wrapped(shape);
  }

  /** Whether the only object of a file is a row of its own. */
  private boolean isRow(Shape shape) {
    return read.columns().isUsable(shape.names) && !isByColumn(shape);
  }

  /** Whether an object has a column in each field: as pandas writes frames, or as plain lists. */
  private static boolean isByColumn(Shape shape) {
    int holders = shape.objects.size() + shape.otherLists.size();
    return shape.names.size() > 1
        && holders == shape.names.size()
        && (shape.objects.isEmpty() || shape.otherLists.isEmpty());
  }

  private Dataset wrapped(Shape shape) {
    if (shape.lists.size() == 1) {
      String list = shape.lists.get(0);
      return rows(list, false).written("the list \"" + list + "\"");
    }
    if (shape.lists.size() > 1) {
      String likely =
          LIKELY.stream().filter(shape.lists::contains).findFirst().orElse(shape.lists.get(0));
      throw new InputException(
          file.shown()
              + " holds several lists of objects: "
              + Excerpt.quoted(shape.lists)
              + ". Write the one to read to a file of its own: jq ."
              + likely
              + " "
              + file.shown().getFileName()
              + " > "
              + likely
              + ".json");
    }
    throw new InputException(
        file.shown()
            + (isByColumn(shape)
                ? " is not written by row: "
                    + some(shape.names)
                    + " each hold many values. Write a list of rows: in pandas,"
                    + " frame.to_json(file, orient=\"records\")"
                : " is one object that is no row ("
                    + some(shape.names)
                    + ") and holds no list of objects. Recognised fields of a row: "
                    + Columns.documentation()
                    + ". Name another with "
                    + Term.COLUMNS.of("text=NAME")));
  }

  private static String some(Set<String> names) {
    List<String> first = names.stream().limit(NAMES_SHOWN).toList();
    int more = names.size() - first.size();
    return Excerpt.quoted(first) + (more > 0 ? " and " + more + " more" : "");
  }

  private Dataset lines() {
    try (TextLines lines = new TextLines(file.shown(), new DecodedText(file, options.encoding()))) {
      return new JsonlReader(file.shown(), read)
          .read(new JsonLines(file.shown(), lines, read.columns().arePairs()));
    }
  }

  /**
   * The rows of the list that is the file, or that is this field of it.
   *
   * @param areSeveral whether more lists stand behind it, as where files were joined
   */
  private Dataset rows(String list, boolean areSeveral) {
    try (DecodedText text = new DecodedText(file, options.encoding());
        JsonParser parser = JsonText.parser(text)) {
      parser.nextToken();
      if (list != null) {
        enter(parser, list);
      }
      return new JsonlReader(file.shown(), read).read(new ListRows(parser, areSeveral));
    } catch (JsonProcessingException e) {
      throw JsonText.invalid(file.shown(), e);
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  private static void enter(JsonParser parser, String field) throws IOException {
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean wanted = parser.currentName().equals(field);
      parser.nextToken();
      if (wanted) {
        return;
      }
      parser.skipChildren();
    }
  }

  /** The objects of a list that the parser has entered. */
  private final class ListRows implements FieldRows {
    private final JsonParser parser;
    private final boolean areSeveral;
    private int row;

    ListRows(JsonParser parser, boolean areSeveral) {
      this.parser = parser;
      this.areSeveral = areSeveral;
    }

    @Override
    public Map<String, Object> next() throws BadRow {
      try {
        JsonToken token = parser.nextToken();
        while (token == JsonToken.END_ARRAY) {
          if (!areSeveral || parser.nextToken() == null) {
            return null;
          }
          if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw new InputException(
                file.shown()
                    + ": behind a list of rows stands "
                    + JsonText.described(parser.currentToken())
                    + ", where another list may stand, as where files were joined");
          }
          token = parser.nextToken();
        }
        row++;
        if (token == JsonToken.START_ARRAY && read.columns().arePairs()) {
          return UnnamedTexts.named(file.shown(), row, JsonText.list(parser));
        }
        if (token != JsonToken.START_OBJECT) {
          parser.skipChildren();
          throw new BadRow(
              file.shown()
                  + ", row "
                  + row
                  + " is "
                  + JsonText.described(token)
                  + ", not an object with named fields: {\"text\": ..., \"label\": ...}"
                  + asObjects(token));
        }
        return JsonText.object(parser);
      } catch (JsonProcessingException e) {
        throw JsonText.invalid(file.shown(), e);
      } catch (IOException e) {
        throw file.unreadable(e);
      }
    }

    @Override
    public int row() {
      return row;
    }

    /** How lists or texts become objects, where they are what a line or the list holds. */
    private String asObjects(JsonToken token) {
      boolean areLists = token == JsonToken.START_ARRAY;
      boolean arePairs = read.columns().arePairs();
      if (!areLists && (token != JsonToken.VALUE_STRING || arePairs && !areSeveral)) {
        return "";
      }
      String ofList = arePairs ? "{anchor: .[0], positive: .[1]}" : "{text: .[0], label: .[1]}";
      return ". Name their parts, such as: jq -c '"
          + (areLists || !areSeveral ? ".[] | " : "")
          + (areLists || areSeveral ? ofList : "{text: .}")
          + "' "
          + file.shown().getFileName()
          + " > rows.jsonl";
    }
  }

  private Shape shape() {
    try (DecodedText text = new DecodedText(file, options.encoding());
        JsonParser parser = JsonText.parser(text)) {
      JsonToken start = parser.nextToken();
      Map<String, String> kinds = new LinkedHashMap<>();
      boolean squad = false;
      JsonToken first = start == JsonToken.START_ARRAY ? parser.nextToken() : null;
      if (first != null) {
        squad = first == JsonToken.START_OBJECT && ARTICLES.contains(fields(parser));
        leaveList(parser);
      } else if (start == JsonToken.START_OBJECT) {
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
          String name = parser.currentName();
          JsonToken token = parser.nextToken();
          if (token == JsonToken.START_ARRAY) {
            boolean objects = parser.nextToken() == JsonToken.START_OBJECT;
            squad |= objects && name.equals("data") && fields(parser).contains(PARAGRAPHS);
            kinds.put(name, objects ? "list of objects" : "list");
            leaveList(parser);
          } else {
            kinds.put(name, token == JsonToken.START_OBJECT ? "object" : "value");
            parser.skipChildren();
          }
        }
      } else {
        parser.skipChildren();
      }
      boolean more = parser.nextToken() != null;
      return new Shape(
          start,
          first,
          ofKind(kinds, "list of objects"),
          ofKind(kinds, "object"),
          ofKind(kinds, "list"),
          new LinkedHashSet<>(kinds.keySet()),
          more,
          squad);
    } catch (JsonProcessingException e) {
      throw JsonText.invalid(file.shown(), e);
    } catch (IOException e) {
      throw file.unreadable(e);
    }
  }

  private static List<String> ofKind(Map<String, String> kinds, String kind) {
    List<String> names = new ArrayList<>();
    kinds.forEach(
        (name, other) -> {
          if (other.equals(kind)) {
            names.add(name);
          }
        });
    return names;
  }

  /** The fields of the object that the parser has entered; ends at the end of the object. */
  private static Set<String> fields(JsonParser parser) throws IOException {
    Set<String> names = new LinkedHashSet<>();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      names.add(parser.currentName());
      parser.nextToken();
      parser.skipChildren();
    }
    return names;
  }

  /** Goes on from a value of a list, or from its end, to its end. */
  private static void leaveList(JsonParser parser) throws IOException {
    while (parser.currentToken() != JsonToken.END_ARRAY) {
      parser.skipChildren();
      parser.nextToken();
    }
  }
}
