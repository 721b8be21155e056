package dev.attune.folder;

import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.model.Families;
import dev.attune.testkit.FuzzFiles;

/** Fuzz targets of the JSON files of model folders: their content or an InputException. */
class FolderFuzzTest {
  private static final FuzzFiles MODEL = new FuzzFiles();
  private static final FuzzFiles ADAPTER = new FuzzFiles();

  /** Without its weights: how large a model may be is for who has the memory to say. */
  @FuzzTest
  void config(byte[] bytes) {
    MODEL.write("config.json", bytes);
    try {
      ObjectNode config = ModelFolder.readConfig(MODEL.folder());
      Families.layers(config);
      Families.wordEmbedding(config);
      Families.sharedVocabulary(config);
      Families.readsLastRows(config);
    } catch (InputException e) {
      // It is none, or of a model that is not known.
    }
  }

  @FuzzTest
  void adapterConfig(byte[] bytes) {
    ADAPTER.write("adapter_config.json", bytes);
    try {
      AdapterConfig.read(ADAPTER.folder());
    } catch (InputException e) {
      // It is none, or asks for what is not known.
    }
  }
}
