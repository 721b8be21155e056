/**
 * Files to examples, splits and the data report. Imports {@code core} and {@code text}.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>Every row of a file becomes an example or an error with its line. Nothing is trimmed or
 *       repaired, and rows are left out on demand only, counted: a wrong label is worse than a
 *       stopped run.
 *   <li>Our own CSV records of a hundred lines rather than Jackson's: a message must name the line
 *       on which a quoted field opened, a record of several lines must keep its first line, and
 *       what follows a closing quote must be refused.
 *   <li>Between tabs both kinds of file are common: those in which a quote is text (GLUE, SST-2,
 *       MRPC) and those that pandas wrote. All rows together tell them apart ({@code TabQuoting});
 *       what they do not tell is asked for.
 *   <li>A delimiter other than that of the file's name is used where all rows of the first megabyte
 *       fit it and none but it ({@code Dialect}), and the report says so. Between two that fit
 *       nothing is guessed: "3,5" is one number here and two fields there.
 *   <li>UTF-8 strictly, or what a byte order mark or {@code --encoding} says. A guess at an
 *       encoding turns letters into other letters without a sound: so it is a part of the message
 *       only.
 *   <li>Compression, Parquet, workbooks and the like are told by first bytes, not by names.
 *   <li>JSON is read token by token: no tree of a whole file is held.
 *   <li>A folder is one split of one format. What lies beside the training data in a folder is most
 *       often the test data.
 *   <li>Columns are recognised by a short, exact list of names ({@link dev.attune.data.Columns}).
 *       Other usual names are guessed where one column alone can be meant, and the report says so;
 *       the rest is said with {@code --columns}, and errors give that option with the file's own
 *       names.
 *   <li>Rows of all formats meet in one place ({@code ExampleReader}), which gives columns their
 *       meaning. Instructions become turns where the model has a chat template, as LLaMA-Factory
 *       makes them, else the prompts that the Stanford Alpaca repository publishes.
 *   <li>What a task makes of its targets (tags as BIO, decimal commas) is done to the dataset
 *       before anything else looks at it, and stands in its reading ({@link
 *       dev.attune.data.FileReading}): so examples in memory have it too.
 *   <li>A .txt file is one running text with its line breaks, as Transformers' {@code run_clm.py}
 *       has it: a line of prose or verse is no example of its own. One document a row is said with
 *       a {@code text} column.
 *   <li>The report needs all rows, and so files are read whole: small ones into memory, large
 *       training files into a store ({@link dev.attune.data.RowCache}), whose rows are read again
 *       one by one whenever somebody looks at them. Both are a list of examples, and nobody else
 *       has to know which. What a pass over all rows has found out is kept beside them.
 *   <li>Keys of stores are over every byte of the files and all that says how they are read, never
 *       over times and sizes: an edit that keeps both is still another file. A block's CRC-32C by
 *       the processor's instruction makes that cost less than reading the file.
 *   <li>What the report says is exact at any size: equal texts are found by fingerprints of four
 *       bytes a row and then compared. Of running texts, which are one text in many rows, 64-bit
 *       hashes are.
 *   <li>Texts are equal when they agree after folding case and white space. Splits keep such texts
 *       on one side; the report counts them within and across files.
 * </ul>
 */
package dev.attune.data;
