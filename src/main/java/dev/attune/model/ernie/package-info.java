/** ERNIE. */
package dev.attune.model.ernie;
