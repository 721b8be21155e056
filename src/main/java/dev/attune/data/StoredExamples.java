package dev.attune.data;

import dev.attune.data.mapped.Records;
import dev.attune.data.mapped.Stores;

/** The examples of a store. */
final class StoredExamples extends ExampleList {
  private final Records records;
  private final ExampleCodec codec;
  private final String name;
  private final String contentKey;
  private final Stores stores;

  /**
   * @param name of the records in their store
   * @param contentKey null: not known
   * @param stores where what is found out about them is kept; null: nowhere
   */
  StoredExamples(
      Records records, ExampleCodec codec, String name, String contentKey, Stores stores) {
    this.records = records;
    this.codec = codec;
    this.name = name;
    this.contentKey = contentKey;
    this.stores = stores;
  }

  /** The same of which is known what they are of. */
  StoredExamples keyed(String key, Stores kept) {
    return new StoredExamples(records, codec, name, key, kept);
  }

  /** Of the records in their store. */
  String name() {
    return name;
  }

  ExampleCodec codec() {
    return codec;
  }

  @Override
  public Example get(int index) {
    return codec.read(records.get(index));
  }

  @Override
  public int size() {
    return records.size();
  }

  @Override
  String contentKey() {
    return contentKey;
  }

  @Override
  Stores stores() {
    return stores;
  }

  @Override
  int sizeBytes(int index) {
    return records.sizeBytes(index);
  }
}
