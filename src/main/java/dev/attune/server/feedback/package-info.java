/**
 * Learning while serving: corrections of a classifier's answers, and the small updates that they
 * lead to.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A version is a parent and the corrections up to a number.</b> A correction is learned if
 *       the live version, or one before it in its line, was made of it; so none is learned twice,
 *       and those of a version that was taken back wait again ({@link
 *       dev.attune.server.feedback.Learner}).
 *   <li><b>What a version is made of is noted before it is made</b>: an update that was cut short
 *       is made again from the same rows, and gives the same bytes.
 *   <li><b>Which rows are held out, the text says</b> ({@link
 *       dev.attune.server.feedback.LabelledText#isHeldOut}): a row is never on both sides, whoever
 *       sends it again, and whenever.
 *   <li><b>Old accuracy is measured against the first version</b>, not the one before: small falls
 *       do not add up ({@link dev.attune.server.feedback.HeldOutGate}).
 * </ul>
 */
package dev.attune.server.feedback;
