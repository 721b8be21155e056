package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.model.Head.Pooling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SentenceModulesTest {
  private static final String MODULES =
      """
      [{"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
       {"path": "pool", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
       {"path": "unit", "type": "sentence_transformers.base.modules.normalize.Normalize"}]
      """;

  @TempDir Path folder;

  private void write(String file, String json) throws IOException {
    Path at = folder.resolve(file);
    Files.createDirectories(at.getParent());
    Files.writeString(at, json);
  }

  /** As version 6 of sentence-transformers writes it. */
  private void writeNewest() throws IOException {
    write("modules.json", MODULES);
    write(
        "pool/config.json",
        "{\"embedding_dimension\": 384, \"pooling_mode\": \"cls\", \"include_prompt\": true}");
    write(
        "unit/config.json",
        "{\"module_input_name\": \"sentence_embedding\", \"module_output_name\":"
            + " \"sentence_embedding\"}");
    write(
        "config_sentence_transformers.json",
        """
        {"__version__": {"pytorch": "2"}, "default_prompt_name": "query",
         "model_type": "SentenceTransformer", "prompts": {"document": "", "query": "query: "},
         "similarity_fn_name": "dot"}
        """);
    write(
        "sentence_bert_config.json",
        "{\"transformer_task\": \"feature-extraction\", \"modality_config\": {\"text\": {}},"
            + " \"module_output_name\": \"token_embeddings\"}");
    write("tokenizer_config.json", "{\"model_max_length\": 77}");
  }

  @Test
  void theNewestFormIsRead() throws IOException {
    writeNewest();
    SentenceModules modules = SentenceModules.read(folder);
    assertEquals(
        new SentenceModules(
            Pooling.FIRST, true, 77, Map.of("document", "", "query", "query: "), "query", "dot"),
        modules);
    assertEquals("query: ", modules.prompt(null));
    assertEquals("", modules.prompt("document"));
    assertThrows(InputException.class, () -> modules.prompt("title"));
  }

  @Test
  void olderFormsAreRead() throws IOException {
    write(
        "modules.json",
        """
        [{"path": "", "type": "sentence_transformers.models.Transformer"},
         {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
        """);
    write(
        "1_Pooling/config.json",
        "{\"word_embedding_dimension\": 8, \"pooling_mode_mean_tokens\": false,"
            + " \"pooling_mode_lasttoken\": true}");
    write("sentence_bert_config.json", "{\"max_seq_length\": 128, \"do_lower_case\": false}");
    SentenceModules modules = SentenceModules.read(folder);
    assertEquals(new SentenceModules(Pooling.LAST, false, 128, Map.of(), null, "cosine"), modules);
    assertEquals("", modules.prompt(null));
  }

  @Test
  void whatIsWrittenIsReadAgain() throws IOException {
    for (Pooling pooling : List.of(Pooling.MEAN, Pooling.FIRST, Pooling.LAST)) {
      SentenceModules modules =
          new SentenceModules(
              pooling, pooling == Pooling.MEAN, 64, Map.of("query", "q: "), null, "cosine");
      Path out = Files.createDirectories(folder.resolve(pooling.name()));
      modules.write(out, 8, 64);
      assertEquals(modules, SentenceModules.read(out));
      assertEquals(modules.normalizes(), Files.exists(out.resolve("2_Normalize")));
    }
  }

  @Test
  void aFolderWithoutSuchFilesIsPlain() {
    assertFalse(SentenceModules.areIn(folder));
    SentenceModules plain = SentenceModules.read(folder);
    assertEquals(SentenceModules.plain(), plain);
    assertNull(plain.maxLength());
    assertFalse(plain.normalizes());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "modules.json | [{\"path\": \"2_Dense\", \"type\": \"sentence_transformers.models.Dense\"}] |"
            + " models.Dense",
        "modules.json | [{\"path\": \"pool\", \"type\": \"a.Pooling\"}, {\"path\": \"\", \"type\":"
            + " \"a.Transformer\"}] | modules.json runs Pooling, Transformer; supported are",
        "modules.json | [{\"path\": \"\", \"type\": \"a.Transformer\"}, {\"path\": \"unit\", \"type\":"
            + " \"a.Normalize\"}, {\"path\": \"pool\", \"type\": \"a.Pooling\"}] | runs Transformer, Normalize,",
        "modules.json | [{\"path\": \"\", \"type\": \"a.Transformer\"}, {\"path\": \"pool\", \"type\":"
            + " \"a.Pooling\"}, {\"path\": \"pool\", \"type\": \"a.Pooling\"}] | once each in this order",
        "modules.json | [{\"path\": \"0_BERT\", \"type\": \"a.Transformer\"}, {\"path\": \"pool\", \"type\":"
            + " \"a.Pooling\"}] | has the model in '0_BERT'",
        "pool/config.json | {\"pooling_mode_mean_tokens\": \"yes\"} | 'pooling_mode_mean_tokens' is",
        "config_sentence_transformers.json | {\"prompts\": {\"query\": 3}} | 'query' is 3",
        "config_sentence_transformers.json | {\"prompts\": [\"a\"]} | 'prompts' is",
        "config_sentence_transformers.json | {\"default_prompt_name\": 1} | 'default_prompt_name' is 1",
        "sentence_bert_config.json | {\"max_seq_length\": \"128\"} | 'max_seq_length' is",
        "sentence_bert_config.json | {\"max_seq_length\": 0} | 'max_seq_length' is 0",
        "sentence_bert_config.json | {\"do_lower_case\": \"yes\"} | 'do_lower_case' is",
        "sentence_bert_config.json | {\"stem\": true} | 'stem' is true",
        "pool/config.json | {\"pooling_mode\": \"max\"} | the pooling max is not supported",
        "pool/config.json | {\"pooling_mode\": [\"mean\", \"cls\"]} | more than one pooling",
        "pool/config.json | {\"pooling_mode_mean_sqrt_len_tokens\": true} | mean_sqrt_len_tokens",
        "pool/config.json | {\"pooling_mode\": \"mean\", \"include_prompt\": false} |"
            + " 'include_prompt' is false",
        "pool/config.json | {\"pooling_mode\": \"mean\", \"gain\": 2} | 'gain' is 2",
        "unit/config.json | {\"module_input_name\": \"token_embeddings\"} | 'module_input_name'",
        "config_sentence_transformers.json | {\"model_type\": \"SparseEncoder\"} | SparseEncoder",
        "config_sentence_transformers.json | {\"truncate_dim\": 64} | 'truncate_dim' is 64",
        "sentence_bert_config.json | {\"do_lower_case\": true} | 'do_lower_case' is true",
        "sentence_bert_config.json | {\"model_args\": {\"a\": 1}} | 'model_args'",
        "modules.json | {} | not a list of modules"
      })
  void whatIsNotSupportedIsRefusedByName(String file, String json, String part) throws IOException {
    writeNewest();
    write(file, json);
    InputException e = assertThrows(InputException.class, () -> SentenceModules.read(folder));
    assertTrue(e.getMessage().contains(part), e.getMessage());
  }

  @Test
  void aPromptOfNullIsNone() throws IOException {
    writeNewest();
    write(
        "config_sentence_transformers.json",
        "{\"default_prompt_name\": \"query\", \"prompts\": {\"query\": null}}");
    assertEquals("", SentenceModules.read(folder).prompt(null));
  }

  /** A model that replaces one of embeddings takes its files away, those in folders too. */
  @Test
  void filesInFoldersGoWithTheModel() throws IOException {
    write("notes.txt", "the user's");
    write("1_Pooling/notes.txt", "the user's");
    ModelInstall.install(
        folder,
        place -> {
          Files.writeString(place.resolve("config.json"), "{}");
          SentenceModules.plain().normalizing(true).write(place, 8, 64);
        });
    assertTrue(SentenceModules.read(folder).normalizes());
    ModelInstall.install(folder, place -> Files.writeString(place.resolve("config.json"), "{}"));
    assertFalse(SentenceModules.areIn(folder));
    assertFalse(Files.exists(folder.resolve("1_Pooling/config.json")));
    assertFalse(Files.exists(folder.resolve("2_Normalize/config.json")));
    assertTrue(Files.exists(folder.resolve("1_Pooling/notes.txt")));
    assertTrue(Files.exists(folder.resolve("notes.txt")));
  }
}
