package dev.attune.data;

import java.nio.file.Path;

/**
 * One file of a dataset.
 *
 * @param rowsBefore what its rows are numbered on from
 * @param examples that were read from it; a dataset may hold fewer of them: {@link
 *     Dataset#rowsOfParts}
 * @param form what was told of how it is written, in words; or empty
 */
public record DatasetPart(Path file, int rowsBefore, int examples, String form) {}
