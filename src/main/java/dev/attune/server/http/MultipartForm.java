package dev.attune.server.http;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.MultiPart;
import org.eclipse.jetty.io.Content;

/**
 * A form with one file in it, as it comes: texts are kept, the file is handed on piece by piece.
 * What stands first does not matter.
 */
public final class MultipartForm {
  private static final int MOST_PARTS = 32;
  private static final int MOST_TEXT_BYTES = 1 << 16;
  private static final int MOST_HEADER_BYTES = 1 << 13;

  private final String fileField;
  private final FilePart file;
  private final MultiPart.Parser parser;
  private final Map<String, String> texts = new LinkedHashMap<>();
  private Exception failure; // null: none
  private boolean isWhole;
  private boolean hasFile;

  /** Takes the file. */
  public interface FilePart {
    /**
     * It comes.
     *
     * @param name that the client gives it; null: none
     */
    void begin(String name) throws Exception;

    /** The next piece of it, which is another's when this returns. */
    void take(ByteBuffer piece) throws Exception;
  }

  /**
   * Begins one.
   *
   * @param contentType the request's, which holds what divides the parts
   * @param fileField the field's name that is the file
   * @throws ApiException if it is no form
   */
  public MultipartForm(String contentType, String fileField, FilePart file) {
    Map<String, String> parameters = new HashMap<>();
    String type = contentType == null ? "" : HttpField.getValueParameters(contentType, parameters);
    String boundary = parameters.get("boundary");
    if (!type.equalsIgnoreCase("multipart/form-data") || boundary == null || boundary.isEmpty()) {
      throw ApiException.badType(
          "The body has "
              + (contentType == null ? "no type" : "the type '" + contentType + "'")
              + "; this request takes multipart/form-data with a boundary");
    }
    this.fileField = fileField;
    this.file = file;
    this.parser = new MultiPart.Parser(boundary, new Listener());
    parser.setMaxParts(MOST_PARTS);
    parser.setPartHeadersMaxLength(MOST_HEADER_BYTES);
  }

  /** Hears what the parser finds. */
  private final class Listener implements MultiPart.Parser.Listener {
    private final Map<String, String> disposition = new HashMap<>();
    private final ByteArrayOutputStream text = new ByteArrayOutputStream();
    private String field;
    private boolean isFile;

    @Override
    public void onPartBegin() {
      disposition.clear();
      text.reset();
      field = null;
    }

    @Override
    public void onPartHeader(String name, String value) {
      if (name.equalsIgnoreCase("Content-Disposition")) {
        HttpField.getValueParameters(value, disposition);
      }
    }

    @Override
    public void onPartHeaders() {
      field = disposition.get("name");
      if (field == null) {
        fail(ApiException.badRequest(null, "A part of the form has no name"));
        return;
      }
      isFile = field.equals(fileField);
      if (texts.containsKey(field) || isFile && hasFile) {
        fail(ApiException.badRequest(field, "'" + field + "' is there twice"));
      } else if (isFile) {
        hasFile = true;
        guarded(() -> file.begin(disposition.get("filename")));
      }
    }

    @Override
    public void onPartContent(Content.Chunk chunk) {
      if (isFile) {
        guarded(() -> file.take(chunk.getByteBuffer()));
        return;
      }
      if (text.size() + chunk.remaining() > MOST_TEXT_BYTES) {
        fail(
            ApiException.badRequest(
                field, "'" + field + "' is longer than " + MOST_TEXT_BYTES + " bytes"));
        return;
      }
      byte[] copy = new byte[chunk.remaining()];
      chunk.getByteBuffer().get(copy);
      text.writeBytes(copy);
    }

    @Override
    public void onPartEnd() {
      if (!isFile && field != null) {
        texts.put(field, text.toString(StandardCharsets.UTF_8));
      }
    }

    @Override
    public void onComplete() {
      isWhole = true;
    }

    @Override
    public void onFailure(Throwable reason) {
      fail(ApiException.badRequest(null, "The form cannot be read: " + reason.getMessage()));
    }
  }

  /** What is done for a piece, which may fail. */
  private interface Step {
    void run() throws Exception;
  }

  private void guarded(Step step) {
    if (failure == null) {
      try {
        step.run();
      } catch (Exception e) {
        fail(e);
      }
    }
  }

  private void fail(Exception reason) {
    failure = failure == null ? reason : failure;
  }

  private void check() throws Exception {
    if (failure != null) {
      throw failure;
    }
  }

  /** Takes the next piece of the body. */
  public void take(ByteBuffer piece) throws Exception {
    parser.parse(Content.Chunk.from(piece, false));
    check();
  }

  /** All was taken: refuses a form that is not whole, or has no file. */
  public void end() throws Exception {
    if (!isWhole) {
      parser.parse(Content.Chunk.EOF);
    }
    check();
    if (!isWhole) {
      throw ApiException.badRequest(null, "The form has no end");
    }
    if (!hasFile) {
      throw ApiException.badRequest(fileField, "'" + fileField + "' is missing");
    }
  }

  /** A text of the form; null where it has none of that name. */
  public String text(String name) {
    return texts.get(name);
  }

  /** Refuses what nobody knows. */
  public void refuseOthers(Set<String> known) {
    Set<String> unknown = new TreeSet<>(texts.keySet());
    unknown.removeAll(known);
    if (!unknown.isEmpty()) {
      throw ApiException.unsupported(
          unknown.iterator().next(), "not supported here: " + String.join(", ", unknown));
    }
  }
}
