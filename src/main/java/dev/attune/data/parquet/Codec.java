package dev.attune.data.parquet;

import io.airlift.compress.Decompressor;
import io.airlift.compress.lz4.Lz4Decompressor;
import io.airlift.compress.snappy.SnappyDecompressor;
import io.airlift.compress.zstd.ZstdDecompressor;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/** How pages are compressed; the order is that of the format's numbers. */
enum Codec {
  UNCOMPRESSED,
  SNAPPY,
  GZIP,
  LZO,
  BROTLI,
  LZ4,
  ZSTD,
  LZ4_RAW;

  /** Of a page, which writers make a megabyte. */
  private static final int LARGEST = 1 << 30;

  static Codec of(int number) {
    if (number < 0 || number >= values().length) {
      throw new DamagedException("a compression of number " + number);
    }
    return values()[number];
  }

  /** Whether we can read it. */
  boolean isKnown() {
    return this != LZO && this != BROTLI && this != LZ4;
  }

  byte[] decompress(byte[] bytes, int size) {
    if (size < 0 || size > LARGEST) {
      throw new DamagedException("a page of " + size + " bytes");
    }
    return switch (this) {
      case UNCOMPRESSED -> bytes;
      case SNAPPY -> decompress(new SnappyDecompressor(), bytes, size);
      case ZSTD -> decompress(new ZstdDecompressor(), bytes, size);
      case LZ4_RAW -> decompress(new Lz4Decompressor(), bytes, size);
      case GZIP -> gunzip(bytes, size);
      default -> throw new IllegalStateException("refused before: " + this);
    };
  }

  private static byte[] decompress(Decompressor decompressor, byte[] bytes, int size) {
    byte[] out = new byte[size];
    int got = decompressor.decompress(bytes, 0, bytes.length, out, 0, size);
    if (got != size) {
      throw new DamagedException("a page of " + got + " bytes in place of " + size);
    }
    return out;
  }

  private static byte[] gunzip(byte[] bytes, int size) {
    try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(bytes))) {
      byte[] out = in.readNBytes(size);
      if (out.length != size || in.read() >= 0) {
        throw new DamagedException("a page of another size than " + size);
      }
      return out;
    } catch (IOException e) {
      throw new DamagedException(e.getMessage());
    }
  }
}
