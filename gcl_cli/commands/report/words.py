"""What recorded figures are called on the page, with their units."""

_LOSSES = {
    "loss": "loss", "discriminator": "discriminator loss", "image": "image reconstruction loss",
    "feature": "feature reconstruction loss", "adversarial": "adversarial loss", "vi": "view-invariant loss L_vi",
    "vi_syn": "its generated part, L'_vi", "vi_mem": "its memory part, L''_vi", "prototype": "prototype loss",
    "mixup": "mix-up loss", "penalty": "gradient penalty",
}  # fmt: skip
_CLUSTERS = {
    "clusters": "clusters", "share_labelled": "pictures in a cluster (share)",
    "share_noise": "pictures in no cluster (share)", "share_cross_camera": "clusters seen by several cameras (share)",
    "radius": "clustering radius (distance, 0 to 1)",
    "agreement": "agreement with the epoch before (adjusted Rand index)",
    "stability": "stability within the epoch (adjusted Rand index)",
    "true_ari": "agreement with the true people (adjusted Rand index)",
}  # fmt: skip
_GENERATED = {
    "pictures": "pictures", "fid": "FID", "kid": "KID", "angle": "turn (degrees)", "reference": "compared pictures",
    "encoder_frechet": "Fréchet distance, encoder's space", "encoder_kid": "kernel distance (KID), encoder's space",
    "encoder_kid_subset": "pictures a subset of it", "kid_subset": "pictures a subset of KID",
    "yaw_in_bin": "faces the side that was asked for (%)", "yaw_within_45": "within 45 degrees of it (%)",
    "yaw_within_one_bin": "that side or the next (%)",
    "person_found": "a person is found (%)", "keypoint_error": "keypoints off (pixels)",
    "cosine_to_source": "cosine to the photograph's embedding", "identity_kept": "identity kept (%)",
    "identity_mean_rank": "mean rank of the person", "identity_median_rank": "median rank of the person",
    "identity_across_cameras": "identity kept across cameras (%)",
    "identity_across_cameras_mean_rank": "mean rank across cameras",
    "identity_across_cameras_median_rank": "median rank across cameras",
    "identity_other_backdrop": "identity kept before another backdrop (%)",
    "identity_other_across_cameras": "the same across cameras (%)",
    "dssim": "DSSIM", "ssim": "SSIM", "dssim_real": "DSSIM of real pictures", "ssim_real": "SSIM of real pictures",
    "dssim_at_256x128": "DSSIM at 256x128", "ssim_at_256x128": "SSIM at 256x128",
    "dssim_real_at_256x128": "DSSIM of real pictures at 256x128",
    "ssim_real_at_256x128": "SSIM of real pictures at 256x128",
    "dssim_real_native": "DSSIM of real pictures as they are", "ssim_real_native": "SSIM of real pictures as they are",
}  # fmt: skip
_WORDS = {
    **_LOSSES,
    **_CLUSTERS,
    **_GENERATED,
    "pictures_per_second": "pictures a second",
    "seconds_per_step": "s a step",
}
_FAMILIES = {"rate_": "learning rate, {}", "seconds_": "{} (s)"}  # how names begin


def in_words(name: str) -> str:
    """A recorded figure's name as a reader says it; one that is not listed, without underscores."""
    if name in _WORDS:
        return _WORDS[name]
    for beginning, words in _FAMILIES.items():
        if name.startswith(beginning):
            return words.format(name.removeprefix(beginning).replace("_", " "))
    return name.replace("_", " ")
