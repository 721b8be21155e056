package dev.attune.hub;

import dev.attune.core.FileOps;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Map;

/**
 * Brings one content into the cache, whole and as the hub describes it: goes on where an earlier
 * try ended, here or in a process that was killed, and compares the hash of all of it at the end.
 */
final class BlobDownload {
  private static final int CHUNK_BYTES = 1 << 18;
  private static final int MOST_FAILURES = 6;

  /** A try that brought so much more than any before it was no failure in a row with the next. */
  private static final long GOOD_PART_BYTES = 1 << 20;

  private static final int SHA256_LETTERS = 64;
  private static final int SHA1_LETTERS = 40;

  private final HubHttp http;
  private final FileOps files;
  private final Meter meter;
  private final URI uri;
  private final String etag;
  private final long sizeBytes;
  private final Path partial;

  private MessageDigest digest;
  private long arrived;

  /**
   * @param uri where the content is asked for, again at each try
   * @param etag its hash: SHA-256, or git's SHA-1; another cannot be compared
   * @param sizeBytes negative: not known
   * @param partial where it grows; whose lock the caller holds
   */
  BlobDownload(
      HubHttp http,
      FileOps files,
      Meter meter,
      URI uri,
      String etag,
      long sizeBytes,
      Path partial) {
    this.http = http;
    this.files = files;
    this.meter = meter;
    this.uri = uri;
    this.etag = etag;
    this.sizeBytes = sizeBytes;
    this.partial = partial;
  }

  /** Fetches it into a file that is not there yet. */
  void to(Path blob) throws IOException {
    for (boolean again = false; ; again = true) {
      resume();
      bring();
      String actual = hash();
      if (actual.equals(etag) || actual.isEmpty()) {
        break;
      }
      // A partial file that lost its tail in a power cut, or a proxy that meddled.
      discard();
      if (again) {
        throw new HubFailure(
            HubFailure.Kind.BROKEN,
            uri
                + " brings other bytes than the hub describes, twice: their hash is "
                + actual
                + ", expected "
                + etag
                + "; does a proxy change them?");
      }
    }
    install(blob);
  }

  private void install(Path blob) throws IOException {
    try {
      try (FileChannel channel = files.append(partial)) {
        files.sync(channel);
      }
      files.replace(partial, blob);
      files.syncFolder(blob.getParent());
    } catch (IOException e) {
      throw storage(e);
    }
  }

  private StorageFailure storage(IOException e) {
    return new StorageFailure(
        partial.getParent()
            + " cannot be written"
            + (arrived > 0 ? " after " + Meter.size(arrived) + " of a file" : "")
            + ": "
            + (e instanceof FileSystemException ? e : e.getMessage()),
        e);
  }

  /** Takes up what is there. */
  private void resume() throws IOException {
    digest = digest("SHA-256");
    arrived = 0;
    if (!Files.exists(partial)) {
      return;
    }
    if (sizeBytes >= 0 && Files.size(partial) > sizeBytes) {
      files.delete(partial);
      return;
    }
    try (InputStream in = Files.newInputStream(partial)) {
      byte[] chunk = new byte[CHUNK_BYTES];
      for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
        digest.update(chunk, 0, count);
        arrived += count;
      }
    }
    meter.found(arrived);
  }

  private void discard() throws IOException {
    files.delete(partial);
    meter.found(-arrived);
    digest = digest("SHA-256");
    arrived = 0;
  }

  /** Tries until all of it is there. */
  private void bring() throws IOException {
    int failures = 0;
    long most = arrived;
    while (sizeBytes < 0 || arrived < sizeBytes || !Files.exists(partial)) {
      long before = arrived;
      try {
        attempt();
        return;
      } catch (HubFailure e) {
        // What comes a second time, after it was discarded, is no progress.
        failures = arrived - most >= GOOD_PART_BYTES ? 1 : failures + 1;
        most = Math.max(most, arrived);
        boolean isOtherRange = e.kind() == HubFailure.Kind.RANGE && before > 0;
        if (!e.isPassing() && !isOtherRange || failures >= MOST_FAILURES) {
          throw e;
        }
        if (isOtherRange) {
          discard();
        }
        http.waitBeforeTry(failures, e);
      }
    }
  }

  private void attempt() throws IOException {
    Map<String, String> range = arrived > 0 ? Map.of("Range", "bytes=" + arrived + "-") : Map.of();
    try (HubHttp.Opened opened = http.get(uri, range)) {
      HubAnswer answer = opened.answer();
      String encoding = answer.header("Content-Encoding").orElse("identity");
      if (!encoding.equalsIgnoreCase("identity")) {
        throw new HubFailure(
            HubFailure.Kind.BROKEN,
            uri + " comes encoded as " + encoding + ", which was not asked for");
      }
      if (arrived > 0 && !goesOn(answer)) {
        discard(); // the server does not know ranges, and begins at the beginning
      }
      receive(opened.body());
    } catch (HubFailure | StorageFailure e) {
      throw e;
    } catch (IOException e) {
      throw http.failure(uri, e);
    }
    if (sizeBytes >= 0 && arrived < sizeBytes) {
      throw new HubFailure(
          HubFailure.Kind.CONNECTION,
          uri + " ended after " + arrived + " of " + sizeBytes + " bytes");
    }
  }

  private boolean goesOn(HubAnswer answer) throws HubFailure {
    if (answer.status() != 206) {
      return false;
    }
    String range = answer.header("Content-Range").orElse("");
    if (!range.startsWith("bytes " + arrived + "-")) {
      throw new HubFailure(
          HubFailure.Kind.RANGE,
          uri + " was asked for what follows byte " + arrived + " and brings '" + range + "'");
    }
    return true;
  }

  private void receive(InputStream in) throws IOException {
    byte[] chunk = new byte[CHUNK_BYTES];
    try (FileChannel channel = opened()) {
      for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
        if (sizeBytes >= 0 && arrived + count > sizeBytes) {
          throw new HubFailure(
              HubFailure.Kind.BROKEN, uri + " brings more than its " + sizeBytes + " bytes");
        }
        try {
          files.write(channel, ByteBuffer.wrap(chunk, 0, count));
        } catch (IOException e) {
          throw storage(e);
        }
        digest.update(chunk, 0, count);
        arrived += count;
        meter.add(count);
      }
    }
  }

  private FileChannel opened() throws IOException {
    try {
      return files.append(partial);
    } catch (IOException e) {
      throw storage(e);
    }
  }

  /** The hash of the kind that the etag is; empty where it is of neither. */
  private String hash() throws IOException {
    if (etag.length() == SHA256_LETTERS) {
      return HexFormat.of().formatHex(digest.digest());
    }
    if (etag.length() != SHA1_LETTERS) {
      return "";
    }
    try (InputStream in = Files.newInputStream(partial)) {
      return gitHash(in, Files.size(partial));
    }
  }

  /** Git's id of a content. */
  static String gitHash(InputStream in, long sizeBytes) throws IOException {
    MessageDigest sha1 = digest("SHA-1");
    sha1.update(("blob " + sizeBytes + "\0").getBytes(StandardCharsets.US_ASCII));
    return hash(sha1, in);
  }

  /** The SHA-256 of a content. */
  static String sha256(InputStream in) throws IOException {
    return hash(digest("SHA-256"), in);
  }

  private static String hash(MessageDigest digest, InputStream in) throws IOException {
    byte[] chunk = new byte[CHUNK_BYTES];
    for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
      digest.update(chunk, 0, count);
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest(String algorithm) {
    try {
      return MessageDigest.getInstance(algorithm);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has " + algorithm, e);
    }
  }
}
