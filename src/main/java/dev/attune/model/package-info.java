/**
 * Models: forward-only assemblies of ops. Every transformer is one stack of one block with switches
 * ({@link dev.attune.model.TransformerConfig}); a family (model/bert, model/llama, …) is a page:
 * how it reads its config.json, which switches it sets, what Hugging Face calls its tensors, and
 * which heads it carries. {@link dev.attune.model.Families} lists them, and nothing else does.
 *
 * <p>Adding one: a page with a method from {@link dev.attune.model.FamilyConfig} to {@link
 * dev.attune.model.Family}, a line in the registry, a golden. Defaults of absent keys are those of
 * Transformers' configuration class. A key that would change the numbers is read, or refused by its
 * name; one that does not is listed as harmless, with the reason.
 *
 * <p>Decision: heads compute in f32 on a bf16 body. They are a few rows, so it costs nothing, and
 * scores keep their resolution.
 */
package dev.attune.model;
