package dev.attune.data.mapped;

import java.nio.ByteBuffer;

/** A column in a mapped file. */
final class MappedInts implements Ints {
  private final MappedFile file;
  private final int size;

  /**
   * @throws StoreException if the file holds no whole numbers, or too many
   */
  MappedInts(MappedFile file) {
    long count = file.sizeBytes() / Integer.BYTES;
    if (file.sizeBytes() % Integer.BYTES != 0 || count > Integer.MAX_VALUE) {
      throw new StoreException("a column of " + file.sizeBytes() + " bytes");
    }
    this.file = file;
    this.size = (int) count;
  }

  @Override
  public int size() {
    return size;
  }

  @Override
  public int get(int index) {
    long at = (long) index * Integer.BYTES;
    return file.segment(at, Integer.BYTES).getInt(MappedFile.within(at));
  }

  @Override
  public void copy(int from, int[] to, int at, int count) {
    int done = 0;
    while (done < count) {
      long place = (long) (from + done) * Integer.BYTES;
      int within = MappedFile.within(place);
      int part = Math.min(count - done, (Integer.MAX_VALUE - within) / Integer.BYTES);
      ByteBuffer segment = file.segment(place, part * Integer.BYTES);
      segment
          .slice(within, part * Integer.BYTES)
          .order(segment.order())
          .asIntBuffer()
          .get(to, at + done, part);
      done += part;
    }
  }
}
