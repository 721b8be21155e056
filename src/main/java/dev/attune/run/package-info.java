/**
 * A run is one {@link dev.attune.run.RunConfig}: options from a file, then {@code --set}, then the
 * command line. This room turns it into a training run, an evaluation or predictions; the command
 * line and the server hold no training logic of their own.
 *
 * <p>Names of options stand in {@link dev.attune.run.RunOption} alone, which also puts them into
 * messages ({@link dev.attune.run.RunOption#worded}).
 */
package dev.attune.run;
