package dev.attune.hub;

import java.util.List;

/**
 * What a push changed.
 *
 * @param url of the repository's page
 * @param commit that the branch, or the pull request, is now
 * @param pullRequest its page; null: there is none
 * @param isNew whether the repository was made
 * @param pushed files of the commit; empty: the hub had all of it, and there is no new commit
 * @param unchanged files that the hub had in the same form
 * @param kept files that the hub has and that were left as they are: see {@link PushFile#ours}
 * @param ignored files that the repository's own .gitignore excludes
 * @param removed files of an earlier model
 * @param uploadedBytes of large files, as far as the hub did not have their contents already
 */
public record PushResult(
    String url,
    String commit,
    String pullRequest,
    boolean isNew,
    List<String> pushed,
    List<String> unchanged,
    List<String> kept,
    List<String> ignored,
    List<String> removed,
    long uploadedBytes) {}
