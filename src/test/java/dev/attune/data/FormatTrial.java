package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.io.TempDir;

/** Files that are written here, and how they are read or refused. */
abstract class FormatTrial {
  static final String TWO = "text,label\ngood,1\nbad,0\n";

  @TempDir Path temp;

  Path file(String name, byte[] content) {
    try {
      Path file = temp.resolve(name);
      Files.createDirectories(file.getParent());
      return Files.write(file, content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  Path file(String name, String content) {
    return file(name, content.getBytes(StandardCharsets.UTF_8));
  }

  static FileOptions options(String format, String encoding, String delimiter, String quoting) {
    return FileOptions.parse(format, encoding, delimiter, quoting, false);
  }

  static Dataset read(Path file) {
    return DataReader.read(file);
  }

  String refusal(Path file, String columns, FileOptions options) {
    InputException e =
        assertThrows(
            InputException.class, () -> DataReader.read(file, as(Columns.parse(columns), options)));
    return RunOption.worded(e.getMessage()).replace(temp + "/", "");
  }

  String refusal(Path file) {
    return refusal(file, null, FileOptions.AUTOMATIC);
  }

  static List<String> texts(Dataset data) {
    return data.examples().stream().map(Example::text).toList();
  }

  static String form(Dataset data) {
    return data.parts().get(0).form();
  }

  static byte[] gzip(byte[] content) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(bytes)) {
      out.write(content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    return bytes.toByteArray();
  }

  static byte[] resource(String name) {
    try (InputStream in = FormatTrial.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static ReadOptions as(Columns columns, FileOptions written) {
    return new ReadOptions(columns, false, false, written);
  }
}
