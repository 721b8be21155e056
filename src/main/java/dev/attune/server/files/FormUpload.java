package dev.attune.server.files;

import dev.attune.server.http.Exchange;
import dev.attune.server.http.MultipartForm;
import dev.attune.server.http.Route;
import java.io.IOException;
import java.nio.ByteBuffer;

/** A form with a file in it, on its way to the disk. */
final class FormUpload implements Route.Receiving {
  /** What a form has around a file, more or less. */
  private static final long ENVELOPE_BYTES = 1 << 12;

  private final MultipartForm form;
  private final IncomingFile file;
  private final LinesCheck lines = new LinesCheck();
  private final Answer answer;
  private String name; // null: the client gives none

  /** Answers when all is there. */
  interface Answer {
    void answer(FormUpload upload) throws Exception;
  }

  /** The least that the file will have, as far as the client tells. */
  static long expectedBytes(Exchange exchange) {
    return Math.max(0, exchange.expectedBytes() - ENVELOPE_BYTES);
  }

  /**
   * Begins one.
   *
   * @param field of the form that is the file
   * @param file which this closes
   * @throws dev.attune.server.http.ApiException if the request is no form
   */
  static FormUpload of(Exchange exchange, String field, IncomingFile file, Answer answer)
      throws IOException {
    try {
      return new FormUpload(exchange, field, file, answer);
    } catch (RuntimeException e) { // it is no form
      file.close();
      throw e;
    }
  }

  private FormUpload(Exchange exchange, String field, IncomingFile file, Answer answer) {
    this.form = new MultipartForm(exchange.header("Content-Type"), field, new Content());
    this.file = file;
    this.answer = answer;
  }

  /** Takes the file out of the form. */
  private final class Content implements MultipartForm.FilePart {
    @Override
    public void begin(String given) {
      name = given;
    }

    @Override
    public void take(ByteBuffer piece) throws Exception {
      lines.look(piece);
      file.write(piece);
    }
  }

  /** The form, of which the texts can be read. */
  MultipartForm form() {
    return form;
  }

  /** The file, whole. */
  IncomingFile file() {
    return file;
  }

  /** The file's name as the client gives it, or null. */
  String name() {
    return name;
  }

  /** Whether each line could be an object. */
  LinesCheck lines() {
    return lines;
  }

  @Override
  public void take(ByteBuffer piece) throws Exception {
    form.take(piece);
  }

  @Override
  public void answer() throws Exception {
    form.end();
    answer.answer(this);
  }

  @Override
  public void close() throws Exception {
    file.close();
  }
}
