/**
 * Examples to packed batches of host integers. Imports {@code core}, {@code text}, {@code data}.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>No padding. A batch is the real tokens of its sequences with {@code cuSeqlens}.
 *   <li>A dataset is tokenised once, before training, into flat columns, in memory or in mapped
 *       files ({@link dev.attune.batch.EncodedCache}); a batch is then a few copies. Lengths are
 *       known before step 1, so batches are allocated once at their largest size and the stream
 *       allocates no array afterwards.
 *   <li>Rows are packed as they come, in their order, from a ring of a few chunks: what the
 *       tokenizer makes of rows is never held for all of them.
 *   <li>The position in the data is a value ({@link dev.attune.batch.Cursor}); the order of an
 *       epoch is a pure function of (seed, epoch). A resumed run is the same run.
 *   <li>No grouping by length: without padding there is nothing to gain from it, and batches stay
 *       independent samples.
 *   <li>One thread packs ahead. It is far faster than a training step, so more threads would only
 *       make order harder to keep.
 *   <li>Language modelling: labels are next ids with -100 by position, never by token, so an end of
 *       sequence in a prompt is not learned and one in a completion is, even where it doubles as a
 *       padding token elsewhere. A long text becomes several sequences, for nothing of it should be
 *       lost; what answers a prompt is cut off, for a piece without its prompt teaches nothing.
 *   <li>Masked language modelling: tokens are chosen and replaced where a batch is packed ({@link
 *       dev.attune.batch.Masking}), by a pure function of (seed, epoch, token); the dataset holds
 *       them as they are. Unlike Transformers, evaluations mask the same tokens each time, so that
 *       two of them can be compared.
 *   <li>A stream ({@link dev.attune.batch.StreamedDataset}) is tokenised on the thread that packs.
 *       Its order is a pure function of (seed, epoch, lines), so a cursor is a count of lines, and
 *       a run that goes on reads the lines before it again, without tokenising them; their digest
 *       says whether they are the same.
 *   <li>Each batch lists its distinct token ids, so that the embedding table's gradient and update
 *       can touch those rows alone.
 * </ul>
 */
package dev.attune.batch;
