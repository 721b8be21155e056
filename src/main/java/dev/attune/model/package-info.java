/**
 * Models: forward-only assemblies of ops. A family (model/bert, model/roberta, …) is a reading of
 * its Hugging Face config, a table of weight names and a choice of blocks; the blocks are here.
 *
 * <p>Decision: heads compute in f32 on a bf16 body. They are a few rows, so it costs nothing, and
 * scores keep their resolution.
 */
package dev.attune.model;
