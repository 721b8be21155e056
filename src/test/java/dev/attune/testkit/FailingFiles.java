package dev.attune.testkit;

import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/**
 * Fails the n-th file operation, after writing half of what it was to write; on request all that
 * follow too, as in a process that was killed at that point.
 */
public final class FailingFiles extends FileOps {
  private final int failAt;
  private final boolean dies;
  private int operations;

  public FailingFiles(int failAt) {
    this(failAt, false);
  }

  /**
   * @param dies whether no operation works from the n-th on
   */
  public FailingFiles(int failAt, boolean dies) {
    this.failAt = failAt;
    this.dies = dies;
  }

  /** Files are read back on threads of their own. */
  private synchronized boolean fails() {
    operations++;
    return dies ? operations >= failAt : operations == failAt;
  }

  private void operate(String what) throws IOException {
    if (fails()) {
      throw new IOException("No space left on device (injected at " + what + ")");
    }
  }

  /** Whether it came to the n-th operation. */
  public synchronized boolean reached() {
    return operations >= failAt;
  }

  @Override
  public void createFolder(Path folder) throws IOException {
    operate("createFolder");
    super.createFolder(folder);
  }

  @Override
  public FileChannel create(Path file) throws IOException {
    operate("create");
    return super.create(file);
  }

  @Override
  public FileChannel append(Path file) throws IOException {
    operate("append");
    return super.append(file);
  }

  @Override
  public FileChannel overwrite(Path file) throws IOException {
    operate("overwrite");
    return super.overwrite(file);
  }

  @Override
  public FileChannel open(Path file) throws IOException {
    operate("open");
    return super.open(file);
  }

  @Override
  public FileChannel openDirect(Path file) throws IOException {
    operate("openDirect");
    return super.openDirect(file);
  }

  @Override
  public FileChannel openDirectToRead(Path file) throws IOException {
    operate("openDirectToRead");
    return super.openDirectToRead(file);
  }

  @Override
  public void copyPart(Path from, Path to) throws IOException {
    operate("copyPart");
    super.copyPart(from, to);
  }

  @Override
  public void write(FileChannel channel, ByteBuffer bytes) throws IOException {
    if (fails()) {
      super.write(channel, bytes.slice(bytes.position(), bytes.remaining() / 2));
      throw new IOException("No space left on device (injected at write)");
    }
    super.write(channel, bytes);
  }

  @Override
  public void sync(FileChannel channel) throws IOException {
    operate("sync");
    super.sync(channel);
  }

  @Override
  public void syncFolder(Path folder) throws IOException {
    operate("syncFolder");
    super.syncFolder(folder);
  }

  @Override
  public void rename(Path from, Path to) throws IOException {
    operate("rename");
    super.rename(from, to);
  }

  @Override
  public void replace(Path from, Path to) throws IOException {
    operate("replace");
    super.replace(from, to);
  }

  @Override
  public void delete(Path file) throws IOException {
    operate("delete");
    super.delete(file);
  }
}
