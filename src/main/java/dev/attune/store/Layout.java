package dev.attune.store;

import java.nio.FloatBuffer;

/** Where the elements of a tensor of the model folder lie in the store. */
public sealed interface Layout {
  /** As in the folder. */
  Layout PLAIN = new Plain();

  /** The place in the folder's tensor of an element of the store. */
  int folderIndex(int storeIndex);

  /** The folder's shape of a tensor whose rows and columns in the store these are. */
  default long[] folderShape(long rows, long cols) {
    return new long[] {rows, cols};
  }

  /** Rearranges a whole tensor; both buffers advance past it. */
  default void toStore(FloatBuffer folder, FloatBuffer store) {
    int from = folder.position();
    int count = store.remaining();
    for (int i = 0; i < count; i++) {
      store.put(folder.get(from + folderIndex(i)));
    }
    folder.position(from + count);
  }

  /** The inverse of {@link #toStore}. */
  default void toFolder(FloatBuffer store, FloatBuffer folder) {
    int at = folder.position();
    int count = store.remaining();
    for (int i = 0; i < count; i++) {
      folder.put(at + folderIndex(i), store.get());
    }
    folder.position(at + count);
  }

  /** See {@link #PLAIN}. */
  record Plain() implements Layout {
    @Override
    public int folderIndex(int storeIndex) {
      return storeIndex;
    }
  }

  /**
   * The folder holds (cols, rows): GPT-2's Conv1D.
   *
   * @param rows of the store
   * @param cols of the store
   */
  record Transposed(int rows, int cols) implements Layout {
    @Override
    public int folderIndex(int storeIndex) {
      return storeIndex % cols * rows + storeIndex / cols;
    }

    @Override
    public long[] folderShape(long storeRows, long storeCols) {
      return new long[] {storeCols, storeRows};
    }
  }

  /**
   * The folder's rows go head by head, (heads, parts, headSize); the store's part by part, (parts,
   * heads, headSize): GPT-NeoX's query_key_value.
   *
   * @param cols elements of a row; 1 for a bias
   */
  record Interleaved(int heads, int parts, int headSize, int cols) implements Layout {
    @Override
    public int folderIndex(int storeIndex) {
      int row = storeIndex / cols;
      int part = row / (heads * headSize);
      int head = row / headSize % heads;
      int folderRow = (head * parts + part) * headSize + row % headSize;
      return folderRow * cols + storeIndex % cols;
    }

    /** The same for rows of another width. */
    Interleaved withCols(int width) {
      return new Interleaved(heads, parts, headSize, width);
    }
  }
}
