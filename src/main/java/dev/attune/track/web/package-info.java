/**
 * What the web pages of this program share: how their files are served, how they look, their charts
 * and tables, and what they are told of runs while these go on.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>No build step.</b> Pages are plain ES modules beside the libraries' own, from WebJars: a
 *       build needs no Node, and what runs is what one reads.
 *   <li><b>Nothing from elsewhere, nothing inline.</b> The policy of {@link
 *       dev.attune.track.web.PageFiles} lets a page load and ask its own server alone. Texts of
 *       files, labels and models go through text nodes; markup made of strings is refused by the
 *       browser itself.
 * </ul>
 */
package dev.attune.track.web;
